/* SPDX-License-Identifier: Apache-2.0 */
/* tern/version.h - which libtern this is. */
#ifndef TERN_VERSION_H
#define TERN_VERSION_H

#include "tern/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TERN_VERSION_MAJOR 0
#define TERN_VERSION_MINOR 1
#define TERN_VERSION_PATCH 0
#define TERN_VERSION "0.1.0"

/* Returns the version of the library that is linked, as "major.minor.patch".  Compare with
 * TERN_VERSION to notice a header that does not belong to it.  The string is static. */
TERN_API const char *tern_version(void);

#ifdef __cplusplus
}
#endif

#endif
