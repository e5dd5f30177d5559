/* SPDX-License-Identifier: Apache-2.0 */
/* What the metadata log asks for and this node does not do. It is kept on the disk; a person hears
 * of it once, loudly, since what protects a cluster elsewhere does not protect it here. */
#pragma once

struct image;
struct settings_change;

void unserved_report(const struct image *image); /* at the first image of a start */
void unserved_report_change(const struct settings_change *change); /* of what was changed just now */
