/* From older formats to the present one: docs/file-format.md. */
#ifndef EMBEDDED_SCHEMA_UPGRADE_H
#define EMBEDDED_SCHEMA_UPGRADE_H

extern const char *const schema_upgrade_1_to_2[];

#endif
