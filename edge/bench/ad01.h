/* SPDX-License-Identifier: Apache-2.0 */
/* Networks with seeded random weights: their shapes are what is measured. */
#ifndef TERN_EDGE_AD01_H
#define TERN_EDGE_AD01_H

#include "tern_edge.h"

/* The autoencoder of MLPerf Tiny's anomaly detection: 640, 4 x 128, 8, 4 x 128, 640. */
#define AD01_LAYERS 10
#define AD01_CODES 53456
#define AD01_BIASES 1672

/* A network for the detector with a past of about a week of hours: a temporal convolution and
 * three depthwise ones, with fully connected layers between and after them. */
#define METER_LAYERS 9
#define METER_CODES 1024
#define METER_BIASES 160

struct seeded {
    uint32_t state; /* not 0 */
};

/* The next number of a xorshift32 generator (Marsaglia, "Xorshift RNGs", 2003). */
uint32_t seeded_next(struct seeded *seeded);

/* The networks; layers, codes and bias are filled. */
void make_ad01(struct tern_edge_layer layers[AD01_LAYERS], uint8_t *codes, int16_t *bias);
void make_meter(struct tern_edge_layer layers[METER_LAYERS], uint8_t *codes, int16_t *bias);

#endif
