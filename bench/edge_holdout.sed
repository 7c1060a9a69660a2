# SPDX-License-Identifier: Apache-2.0
# Makes variables of the numbers of the core's watch (edge/core/tern_edge.c), for edge_holdout.c.
s/^#define FAST [0-9]*u.*/#define FAST ((uint32_t)number[0])/
s/^#define MEDIUM [0-9]*u.*/#define MEDIUM ((uint32_t)number[1])/
s/^#define SLOW [0-9]*u.*/#define SLOW ((uint32_t)number[2])/
s/^#define OF_HOUR [0-9]*u.*/#define OF_HOUR ((uint32_t)number[3])/
s/^#define OF_SIZE [0-9]*u.*/#define OF_SIZE ((uint32_t)number[4])/
s/^#define OF_RANGE [0-9]*u.*/#define OF_RANGE ((uint32_t)number[5])/
s/^#define RARE [0-9]*u.*/#define RARE ((uint32_t)number[6])/
s/^#define FOLLOW [0-9]*u.*/#define FOLLOW ((uint32_t)number[7])/
s/^#define OF_OVER [0-9]*u.*/#define OF_OVER ((uint32_t)number[8])/
s/^#define LEAST_OVER [0-9]*.*/#define LEAST_OVER (number[9])/
s/^#define LEARNING [0-9]*u.*/#define LEARNING ((uint32_t)number[10])/
s/^#define OF_SUM [0-9]*.*/#define OF_SUM (number[11])/
s/^#define AGE [0-9]*.*/#define AGE (number[12])/
s/^#define AGE_TOLD [0-9]*.*/#define AGE_TOLD (number[13])/
s/^#define TOLD [0-9]*.*/#define TOLD (number[14])/
s/^#define SHADOW [0-9]*.*/#define SHADOW (number[15])/
s/^#define SHADOW_FALLS [0-9]*.*/#define SHADOW_FALLS (number[16])/
s/^static const int32_t watch_weights.*/static int32_t *const watch_weights = \&number[17];/
