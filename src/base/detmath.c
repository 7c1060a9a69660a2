/* SPDX-License-Identifier: Apache-2.0 */
#include "base/detmath.h"

#include <stdint.h>
#include <string.h>

static uint64_t bits_of(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static double from_bits(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* ln 2 in two parts: the first has 32 significant bits, so that its product with an integer
 * of up to 21 bits is exact. */
static const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;

double ti_exp(double x)
{
    /* 1/k!: |r| <= 0.35, the next term is below 2e-16 r. */
    static const double taylor[] = {1.0,
                                    1.0,
                                    1.0 / 2,
                                    1.0 / 6,
                                    1.0 / 24,
                                    1.0 / 120,
                                    1.0 / 720,
                                    1.0 / 5040,
                                    1.0 / 40320,
                                    1.0 / 362880,
                                    1.0 / 3628800,
                                    1.0 / 39916800,
                                    1.0 / 479001600};
    if (!(x > -708.0)) {
        return x == x ? 0.0 : x;
    }
    if (x > 709.7) {
        return from_bits(0x7ff0000000000000u);
    }
    const double magic = 0x1.8p52; /* adding it rounds to an integer, ties to even */
    double n = (x * 0x1.71547652b82fep0 + magic) - magic;
    double r = (x - n * ln2_high) - n * ln2_low;
    double p = taylor[12];
    for (int i = 11; i >= 0; i--) {
        p = p * r + taylor[i];
    }
    /* Two factors: 2^n itself may lie outside of the normal numbers. */
    int64_t e = (int64_t)n;
    double half = from_bits((uint64_t)(1023 + e / 2) << 52);
    double rest = from_bits((uint64_t)(1023 + (e - e / 2)) << 52);
    return p * half * rest;
}

double ti_log(double x)
{
    uint64_t u = bits_of(x);
    if (!(x > 0.0) || u < 0x0010000000000000u || u >= 0x7ff0000000000000u) {
        return from_bits(0x7ff8000000000000u);
    }
    int64_t e = (int64_t)(u >> 52) - 1023;
    double m = from_bits((u & 0x000fffffffffffffu) | 0x3ff0000000000000u);
    if (m > 1.4142135623730951) {
        m = m * 0.5;
        e = e + 1;
    }
    /* ln m = 2 artanh z, z = (m - 1) / (m + 1), |z| <= 0.172: 21 terms of the odd series. */
    double z = (m - 1.0) / (m + 1.0), z2 = z * z, s = 0.0;
    for (int i = 21; i >= 1; i -= 2) {
        s = s * z2 + 1.0 / (double)i;
    }
    return (double)e * ln2_high + (2.0 * z * s + (double)e * ln2_low);
}

void ti_sincos(double x, double *s, double *c)
{
    if (!(x >= -0x1p27 && x <= 0x1p27)) {
        *s = *c = from_bits(0x7ff8000000000000u);
        return;
    }
    /* pi/2 in three parts of 25, 25 and 53 bits: products with n < 2^27 are exact in the first
     * two. */
    const double p1 = 0x1.921fb5p0, p2 = 0x1.110b46p-26, p3 = 0x1.1a62633145c07p-54;
    const double magic = 0x1.8p52;
    double n = (x * 0x1.45f306dc9c883p-1 + magic) - magic;
    double r = ((x - n * p1) - n * p2) - n * p3;
    double r2 = r * r, sn = 1.0, cs = 1.0;
    for (int i = 20; i >= 2; i -= 2) { /* |r| <= 0.79: the next term is below 1e-22 */
        sn = 1.0 - sn * r2 / (double)(i * (i + 1));
        cs = 1.0 - cs * r2 / (double)(i * (i - 1));
    }
    sn = sn * r;
    switch ((int64_t)n & 3) {
    case 0:
        *s = sn;
        *c = cs;
        break;
    case 1:
        *s = cs;
        *c = -sn;
        break;
    case 2:
        *s = -sn;
        *c = -cs;
        break;
    default:
        *s = -cs;
        *c = sn;
    }
}
