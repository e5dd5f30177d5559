/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes: cmocka and its prerequisites. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
