/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/mix.h"

#include <string.h>

#define AR5 "IPCC AR5 WG3 A.III.2"
#define SRREN "IPCC SRREN A.II.4"
#define COAL AR5 ", coal"

const ti_plant_kind ti_plant_kinds[TI_PLANT_KINDS] = {
    {"biomass", 230, AR5 ", dedicated"},
    {"lignite", 820, COAL},
    {"gas from coal", 820, COAL},
    {"gas", 490, AR5 ", combined cycle"},
    {"hard coal", 820, COAL},
    {"oil", 840, SRREN},
    {"oil shale", 840, SRREN ", oil"},
    {"peat", 820, COAL},
    {"geothermal", 38, AR5},
    {"pumped storage", 0, ""},
    {"run of river", 24, AR5 ", hydropower"},
    {"reservoir", 24, AR5 ", hydropower"},
    {"marine", 17, AR5 ", ocean"},
    {"nuclear", 12, AR5},
    {"other renewable", 0, ""},
    {"solar", 48, AR5 ", utility"},
    {"waste", 0, ""},
    {"wind at sea", 12, AR5},
    {"wind on land", 11, AR5},
    {"other", 0, ""},
};

/* Energy identification codes of ENTSO-E's list of areas; zones are called as Electricity Maps
 * calls them.  The test computes every check character. */
static const struct {
    const char *zone, *eic;
} areas[] = {
    {"AL", "10YAL-KESH-----5"},     {"AT", "10YAT-APG------L"},
    {"BA", "10YBA-JPCC-----D"},     {"BE", "10YBE----------2"},
    {"BG", "10YCA-BULGARIA-R"},     {"CH", "10YCH-SWISSGRIDZ"},
    {"CY", "10YCY-1001A0003J"},     {"CZ", "10YCZ-CEPS-----N"},
    {"DE", "10Y1001A1001A83F"},     {"DE-LU", "10Y1001A1001A82H"},
    {"DK", "10Y1001A1001A65H"},     {"DK-DK1", "10YDK-1--------W"},
    {"DK-DK2", "10YDK-2--------M"}, {"EE", "10Y1001A1001A39I"},
    {"ES", "10YES-REE------0"},     {"FI", "10YFI-1--------U"},
    {"FR", "10YFR-RTE------C"},     {"GB", "10YGB----------A"},
    {"GB-NIR", "10Y1001A1001A016"}, {"GE", "10Y1001A1001B012"},
    {"GR", "10YGR-HTSO-----Y"},     {"HR", "10YHR-HEP------M"},
    {"HU", "10YHU-MAVIR----U"},     {"IE", "10YIE-1001A00010"},
    {"IE-SEM", "10Y1001A1001A59C"}, {"IS", "10Y1001A1001A958"},
    {"IT", "10YIT-GRTN-----B"},     {"IT-CNO", "10Y1001A1001A70O"},
    {"IT-CSO", "10Y1001A1001A71M"}, {"IT-NO", "10Y1001A1001A73I"},
    {"IT-SAR", "10Y1001A1001A74G"}, {"IT-SIC", "10Y1001A1001A75E"},
    {"IT-SO", "10Y1001A1001A788"},  {"LT", "10YLT-1001A0008Q"},
    {"LU", "10YLU-CEGEDEL-NQ"},     {"LV", "10YLV-1001A00074"},
    {"MD", "10Y1001A1001A990"},     {"ME", "10YCS-CG-TSO---S"},
    {"MK", "10YMK-MEPSO----8"},     {"NL", "10YNL----------L"},
    {"NO", "10YNO-0--------C"},     {"NO-NO1", "10YNO-1--------2"},
    {"NO-NO2", "10YNO-2--------T"}, {"NO-NO3", "10YNO-3--------J"},
    {"NO-NO4", "10YNO-4--------9"}, {"NO-NO5", "10Y1001A1001A48H"},
    {"PL", "10YPL-AREA-----S"},     {"PT", "10YPT-REN------W"},
    {"RO", "10YRO-TEL------P"},     {"RS", "10YCS-SERBIATSOV"},
    {"SE", "10YSE-1--------K"},     {"SE-SE1", "10Y1001A1001A44P"},
    {"SE-SE2", "10Y1001A1001A45N"}, {"SE-SE3", "10Y1001A1001A46L"},
    {"SE-SE4", "10Y1001A1001A47J"}, {"SI", "10YSI-ELES-----O"},
    {"SK", "10YSK-SEPS-----K"},     {"UA", "10Y1001C--00003F"},
    {"XK", "10Y1001C--00100H"},
};

int ti_plant_kind_find(const char *psr_type)
{
    if (psr_type[0] != 'B' || strlen(psr_type) != 3) {
        return -1;
    }
    for (int i = 1; i < 3; i++) {
        if (psr_type[i] < '0' || psr_type[i] > '9') {
            return -1;
        }
    }
    int n = (psr_type[1] - '0') * 10 + psr_type[2] - '0';
    return n >= 1 && n <= TI_PLANT_KINDS ? n - 1 : -1;
}

bool ti_mix_intensity(double *g_kwh, const double *mw)
{
    double known = 0, unknown = 0, grams = 0;
    for (size_t i = 0; i < TI_PLANT_KINDS; i++) {
        if (ti_plant_kinds[i].g_kwh > 0) {
            known += mw[i];
            grams += mw[i] * ti_plant_kinds[i].g_kwh;
        } else {
            unknown += mw[i];
        }
    }
    if (known <= 0 || unknown > (known + unknown) * TI_MIX_UNKNOWN_MAX) {
        return false;
    }
    *g_kwh = grams / known;
    return true;
}

const char *ti_entsoe_zone_at(size_t i, const char **eic)
{
    if (i >= sizeof areas / sizeof *areas) {
        return NULL;
    }
    *eic = areas[i].eic;
    return areas[i].zone;
}

bool ti_eic_is_valid(const char *eic)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-";
    unsigned sum = 0;
    if (strlen(eic) != TI_EIC_LEN) {
        return false;
    }
    for (unsigned i = 0; i + 1 < TI_EIC_LEN; i++) {
        const char *d = strchr(digits, eic[i]);
        if (!d) {
            return false;
        }
        sum += (unsigned)(d - digits) * (TI_EIC_LEN - i); /* EIC manual: weights 16 to 2 */
    }
    return eic[TI_EIC_LEN - 1] == digits[36 - (sum + 36) % 37];
}

const char *ti_entsoe_area(const char *zone)
{
    for (size_t i = 0; i < sizeof areas / sizeof *areas; i++) {
        if (strcmp(areas[i].zone, zone) == 0) {
            return areas[i].eic;
        }
    }
    return ti_eic_is_valid(zone) ? zone : NULL;
}
