/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/form.h"

bool ti_form_open(tern_grammar **out, const ti_ask *ask, ti_ask_kind kind, ti_refusal *why)
{
    tern_err err = {0};
    bool schema = ask->format == TI_ASK_SCHEMA;
    const char *param = kind < TI_ASK_OLLAMA_CHAT ? "response_format" : "format";
    tern_status status =
        tern_grammar_create(out, schema ? TERN_GRAMMAR_SCHEMA : TERN_GRAMMAR_JSON,
                            schema ? ask->schema.data : "", schema ? ask->schema.len : 0, &err);
    if (status == TERN_OK) {
        return true;
    }
    if (status == TERN_NOMEM || status == TERN_INTERNAL) {
        ti_refusal_of(why, status, &err);
        return false;
    }
    return ti_refuse(why, param,
                     status == TERN_UNSUPPORTED ? "unsupported_value" : "invalid_value",
                     "the schema: %s", err.message);
}
