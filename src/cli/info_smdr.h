/* SPDX-License-Identifier: Apache-2.0 */
/* cli/info_smdr.h - what `tern model info` says about the patterns and gates of an smdr file.
 */
#ifndef TI_CLI_INFO_SMDR_H
#define TI_CLI_INFO_SMDR_H

#include "base/buf.h"
#include "base/err.h"
#include "model/gguf.h"

/* Whether the file says that it is an smdr network. */
bool ti_is_smdr(const ti_gguf *gguf);

/* Prints lines about its blocks, keys and gates, or what is wrong with the keys that say so.
 * Errors: TERN_NOMEM. */
tern_status ti_print_smdr(const ti_gguf *gguf, tern_err *err);

/* Adds the same as an object "smdr". */
tern_status ti_json_smdr(ti_buf *json, const ti_gguf *gguf, tern_err *err);

#endif
