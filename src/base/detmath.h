/* SPDX-License-Identifier: Apache-2.0 */
/* base/detmath.h - exp, log, sin and cos that return the same bits on every machine.
 *
 * The C library's differ between systems in the last bit.  These use only +, -, *, / and
 * integer operations on doubles, each rounded once, in a fixed order.  Errors are a few units
 * in the last place: tables and sampling need sameness, not the last half bit. */
#ifndef TI_BASE_DETMATH_H
#define TI_BASE_DETMATH_H

/* e^x; 0 below -708, +inf above 709.7; NaN stays NaN.  Relative error under 2e-15. */
double ti_exp(double x);

/* ln x for finite x > 0 (a normal number); NaN otherwise.  Error under 4e-16 * (1 + |ln x|). */
double ti_log(double x);

/* sin and cos for |x| <= 2^27; beyond, both are NaN.  Absolute error under 1e-15 + |x| * 2e-17.
 */
void ti_sincos(double x, double *s, double *c);

#endif
