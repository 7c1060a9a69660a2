/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/zone_time.h - what clocks say where a grid is, as far as its name tells. */
#ifndef TI_CARBON_ZONE_TIME_H
#define TI_CARBON_ZONE_TIME_H

#include <stdint.h>

/* Standard time less UTC, in seconds, of most of the people of a zone: by the beginning of its
 * code (countries of ISO 3166, zones of Electricity Maps, regions of WattTime, codes of
 * ENTSO-E); 0 where it is not known.  For telling working days from weekends: an hour of summer
 * time makes no difference to that, and moments are UTC everywhere else.
 * Source: the time zone database of IANA (2024a). */
int32_t ti_zone_utc_offset_s(const char *zone);

#endif
