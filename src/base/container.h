/* SPDX-License-Identifier: Apache-2.0 */
/* From a member that a list, heap, loop or mailbox handed back, to the struct that embeds it. */
#pragma once
#include <stddef.h>

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))
