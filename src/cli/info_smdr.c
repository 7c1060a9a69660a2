/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/info_smdr.h"

#include <stdio.h>
#include <string.h>

#include "cli/out.h"
#include "model/smdr.h"

/* The blocks of one kind. */
typedef struct kind_sum {
    uint32_t blocks, most_keys, kept; /* positions whose keys stay in memory, sinks included */
    double mean_keys;                 /* of a query, over the whole context */
} kind_sum;

typedef struct summary {
    ti_config config;
    kind_sum kinds[TI_ATTN_KINDS];
    char problem[sizeof((tern_err *)0)->message]; /* "" or why it cannot be run */
} summary;

bool ti_is_smdr(const ti_gguf *gguf)
{
    ti_str name = {"", 0};
    (void)ti_gguf_get_str(gguf, "general.architecture", false, &name, NULL);
    return name.len == 4 && memcmp(name.data, "smdr", 4) == 0;
}

/* Keys that queries at all positions see together, per position. */
static double mean_keys(const ti_pattern *p, uint32_t n_ctx)
{
    double sum = 0.0;
    if (!p->first) {
        return ((double)n_ctx + 1.0) / 2.0;
    }
    for (uint32_t list = 0; list < p->n_lists; list++) {
        for (uint32_t at = p->first[list]; at < p->first[list + 1]; at++) {
            /* positions with this list that are not below offset + sinks */
            uint64_t from = (uint64_t)p->offsets[at] + p->sinks;
            uint64_t first = from + (list + p->n_lists - from % p->n_lists) % p->n_lists;
            uint64_t positions = first < n_ctx ? (n_ctx - 1 - first) / p->n_lists + 1 : 0;
            sum += (double)positions;
        }
    }
    for (uint32_t s = 0; s < p->sinks; s++) {
        sum += (double)(n_ctx - s);
    }
    return sum / (double)n_ctx;
}

static tern_status sum_up(summary *s, const ti_gguf *gguf, tern_err *err)
{
    ti_arena arena = {0};
    tern_err why;
    *s = (summary){.problem = ""};
    tern_status status = ti_config_read(&s->config, gguf, &why);
    for (unsigned kind = 0; status == TERN_OK && kind < TI_ATTN_KINDS; kind++) {
        kind_sum *k = &s->kinds[kind];
        const ti_config *c = &s->config;
        for (uint32_t l = 0; l < c->n_layer; l++) {
            k->blocks += c->attn.kind[l] == kind;
        }
        ti_pattern p = {0};
        if (k->blocks > 0) {
            status = ti_pattern_build(&p, c, (ti_attn_kind)kind, &arena, &why);
        }
        if (k->blocks > 0 && status == TERN_OK) {
            uint64_t kept = (uint64_t)ti_pattern_reach(&p, c->n_ctx) + p.sinks;
            k->kept = kept < c->n_ctx ? (uint32_t)kept : c->n_ctx;
            k->most_keys = p.most_keys;
            k->mean_keys = mean_keys(&p, c->n_ctx);
        }
    }
    ti_arena_free(&arena);
    if (status == TERN_NOMEM) {
        return ti_fail_nomem(err, "model info", sizeof *s, "a pattern");
    }
    if (status != TERN_OK) {
        memcpy(s->problem, why.message, sizeof s->problem);
    }
    return TERN_OK;
}

tern_status ti_print_smdr(const ti_gguf *gguf, tern_err *err)
{
    summary s;
    TI_TRY(sum_up(&s, gguf, err));
    ti_printf("\n%sNetwork%s\n", ti_bold(), ti_plain());
    if (*s.problem) {
        ti_printf("  cannot be run: %s\n", s.problem);
        return TERN_OK;
    }
    const ti_config *c = &s.config;
    for (unsigned kind = 0; kind < TI_ATTN_KINDS; kind++) {
        const kind_sum *k = &s.kinds[kind];
        char torus[64] = "";
        if (kind == TI_ATTN_TORUS) {
            snprintf(torus, sizeof torus, " of side %u, radius %u", c->attn.torus_side,
                     c->attn.torus_radius);
        }
        if (k->blocks > 0) {
            ti_printf("  %-9s %u of %u blocks%s; keys of a query: %.1f on average, %u at most; "
                      "positions kept: %u of %u\n",
                      ti_attn_kind_name((ti_attn_kind)kind), k->blocks, c->n_layer, torus,
                      k->mean_keys, k->most_keys, k->kept, c->n_ctx);
        }
    }
    if (c->attn.sink_tokens) {
        ti_printf("  sinks     %u\n", c->attn.sink_tokens);
    }
    const char *activation = c->relu2 ? "ReLU^2" : "SiLU";
    if (c->top_k) {
        ti_printf("  gates     %s, the %u largest of %u (%.1f %%)\n", activation, c->top_k,
                  c->n_ff, 100.0 * (double)c->top_k / (double)c->n_ff);
    } else {
        ti_printf("  gates     %s, all %u\n", activation, c->n_ff);
    }
    return TERN_OK;
}

tern_status ti_json_smdr(ti_buf *json, const ti_gguf *gguf, tern_err *err)
{
    summary s;
    TI_TRY(sum_up(&s, gguf, err));
    ti_json_open(json, "smdr", '{');
    if (*s.problem) {
        ti_json_str(json, "problem", s.problem);
    }
    ti_json_open(json, "attention", '[');
    for (unsigned kind = 0; kind < TI_ATTN_KINDS && !*s.problem; kind++) {
        const kind_sum *k = &s.kinds[kind];
        if (k->blocks > 0) {
            ti_json_open(json, NULL, '{');
            ti_json_str(json, "kind", ti_attn_kind_name((ti_attn_kind)kind));
            ti_json_uint(json, "blocks", k->blocks);
            ti_json_uint(json, "most_keys", k->most_keys);
            ti_json_num(json, "mean_keys", k->mean_keys, 9);
            ti_json_uint(json, "kept_positions", k->kept);
            ti_json_close(json, '}');
        }
    }
    ti_json_close(json, ']');
    if (!*s.problem) {
        ti_json_uint(json, "sink_tokens", s.config.attn.sink_tokens);
        ti_json_str(json, "activation", s.config.relu2 ? "relu2" : "silu");
        ti_json_uint(json, "top_k", s.config.top_k ? s.config.top_k : s.config.n_ff);
    }
    ti_json_close(json, '}');
    return TERN_OK;
}
