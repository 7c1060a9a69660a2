/* SPDX-License-Identifier: Apache-2.0 */
/* serve/form.h - answers that must have a form: JSON, or what a schema allows. */
#ifndef TI_SERVE_FORM_H
#define TI_SERVE_FORM_H

#include "serve/ask.h"
#include "tern/grammar.h"

/* Compiles what an ask wants; free with tern_grammar_destroy().  False, with the reason in
 * *why, when it cannot be had. */
bool ti_form_open(tern_grammar **out, const ti_ask *ask, ti_ask_kind kind, ti_refusal *why);

#endif
