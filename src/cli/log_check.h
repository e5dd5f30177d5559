/* SPDX-License-Identifier: Apache-2.0 */
/* strom log check: what is wrong in a log directory, a line each, and what has to be done. */
#pragma once
#include "cli/verb.h"

extern const struct option log_check_options[];
extern const char log_check_detail[];
int log_check(const struct arguments *arguments); /* enum exit_code */
