/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of `tern claims` against values that were counted by other programs or by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cli/claims.h"

static void is(tern_status (*count)(uint64_t *, tern_err *), uint64_t low, uint64_t high)
{
    uint64_t milli = 0;
    tern_err err;
    assert_int_equal(count(&milli, &err), TERN_OK);
    assert_in_range(milli, low, high);
}

static void test_figures(void **state)
{
    (void)state;
    is(ti_count_bits, 1585, 1585);
    is(ti_count_mb_fp32, 400000, 400000);
    is(ti_count_mb_int8, 100000, 100000);
    is(ti_count_mb_packed, 20890, 20890); /* 12,240 x 8,192 x 5 / 24 bytes: rows are padded */
    is(ti_count_times_packed, 19148, 19149); /* 19.2 without the padding */
    is(ti_count_ball, 13000, 13000);
    is(ti_count_all_pairs, 1048576000, 1048576000);
    is(ti_count_ball_pairs, 13312000, 13312000);
    is(ti_count_fewer_side12, 10960, 10961); /* 524,800 / 47,881 */
    is(ti_count_fewer_side32, 73214, 73214); /* 524,800 / 7,168 */
    is(ti_count_growth_side12, 3977, 3978);  /* 190,449 / 47,881 */
    is(ti_count_growth_root, 1970, 1971);    /* 14,127 / 7,168 */
    is(ti_count_fewer_512, 10714, 10715);    /* 131,328 / 12,257 */
    is(ti_count_token_sparse_small, 1285, 1295);
    is(ti_count_token_sparse_large, 2145, 2155);
    is(ti_count_token_both_large, 2850, 3100);
    is(ti_count_token_torus, 1050, 1060);
    is(ti_count_attention_products, 786432, 786432);
    is(ti_count_product, 22500000, 22500000);
}

static void test_verdicts(void **state)
{
    (void)state;
    assert_true(ti_claim_stands(TI_REPRODUCED, 100, 100, 100));
    assert_true(ti_claim_stands(TI_REPRODUCED, 100, 200, 205));
    assert_false(ti_claim_stands(TI_REPRODUCED, 100, 200, 207));
    assert_false(ti_claim_stands(TI_REPRODUCED, 100, 200, 96));
    assert_true(ti_claim_stands(TI_CORRECTED, 10000, 10000, 10011));
    assert_false(ti_claim_stands(TI_CORRECTED, 10000, 10000, 10009));
    assert_false(ti_claim_stands(TI_CORRECTED, 1000, 2000, 1500));
    assert_true(ti_claim_stands(TI_REFUTED, 100, 100, 7));
    assert_true(ti_claim_stands(TI_UNMEASURED, 100, 100, 7));
    assert_true(ti_claim_stands(TI_CORRECTED, 0, 0, 7)); /* no number was printed */
}

/* Every row is whole, its number is a range, and its verdict stands. */
static void test_rows(void **state)
{
    (void)state;
    size_t computed = 0;
    assert_true(ti_n_claims > 40);
    for (size_t i = 0; i < ti_n_claims; i++) {
        const ti_claim *c = &ti_claims[i];
        uint64_t milli;
        tern_err err;
        assert_true(c->part && *c->part && *c->claim && *c->printed && *c->why);
        assert_true(c->low_milli <= c->high_milli);
        assert_true(c->shows != NULL);
        if (c->compute) {
            assert_int_equal(c->compute(&milli, &err), TERN_OK);
            assert_true(*c->unit && *c->shows);
            assert_true(ti_claim_stands(c->verdict, c->low_milli, c->high_milli, milli));
            computed++;
        }
    }
    assert_true(computed >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
