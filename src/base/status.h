/* SPDX-License-Identifier: Apache-2.0 */
/* A system failure, 0 or -errno, in words for the person who runs the node: what is wrong with the
 * file that the report names and, where that is known, what to do about it. Constant text, without
 * a full stop. */
#pragma once

const char *status_text(int status);
