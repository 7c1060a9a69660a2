/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of meters, and signatures checked with libcrypto. */
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "ledger/base64.h"
#include "ledger/ocmf.h"

static const char module[] = "ocmf";

/* The curves: what libcrypto and OCMF call them, and the bytes that stand before the point in
 * a SubjectPublicKeyInfo with a named curve and an uncompressed point (RFC 5480). */
static const struct {
    const char *group;
    size_t point, prefix_len;
    uint8_t prefix[27];
} curves[] = {
    [TI_CURVE_P256] = {"prime256v1", 65, 26, {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a,
                                              0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                              0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
                                              0x01, 0x07, 0x03, 0x42, 0x00}},
    [TI_CURVE_K256] = {"secp256k1", 65, 23, {0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                             0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                             0x81, 0x04, 0x00, 0x0a, 0x03, 0x42, 0x00}},
    [TI_CURVE_P384] = {"secp384r1", 97, 23, {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                             0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                             0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00}},
};

static const size_t n_curves = sizeof curves / sizeof *curves;

enum { UNCOMPRESSED = 0x04, POINT_P256 = 65 };

/* Base64 with blanks between. */
static bool decode_base64(uint8_t *out, size_t cap, size_t *n, const char *text, size_t len)
{
    char bare[(TI_OCMF_KEY_MAX + 2) / 3 * 4];
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\0' || !strchr(" \t\r\n", text[i])) {
            if (used == sizeof bare) {
                return false;
            }
            bare[used++] = text[i];
        }
    }
    return ti_base64_decode(out, cap, n, bare, used, TI_BASE64);
}

/* Hexadecimal or base64, blanks left out. */
static bool decode(uint8_t *out, size_t cap, size_t *n, const char *text, size_t len)
{
    return sodium_hex2bin(out, cap, text, len, " \t\r\n:", n, NULL) == 0 ||
           decode_base64(out, cap, n, text, len);
}

tern_status ti_ec_key_parse(ti_ec_key *out, const char *text, size_t len, tern_err *err)
{
    uint8_t bytes[TI_OCMF_KEY_MAX];
    size_t n = 0;
    ti_ec_key made;
    if (!decode(bytes, sizeof bytes, &n, text, len) || n == 0) {
        return ti_fail(err, TERN_CORRUPT, module, 0,
                       "public key is neither hexadecimal nor base64");
    }
    if (n == POINT_P256 && bytes[0] == UNCOMPRESSED) {
        made = (ti_ec_key){.curve = TI_CURVE_P256, .len = n};
        memcpy(made.point, bytes, n);
        *out = made;
        return TERN_OK;
    }
    for (size_t i = 0; i < n_curves; i++) {
        size_t prefix = curves[i].prefix_len;
        if (n == prefix + curves[i].point && memcmp(bytes, curves[i].prefix, prefix) == 0 &&
            bytes[prefix] == UNCOMPRESSED) {
            made = (ti_ec_key){.curve = (ti_curve)i, .len = curves[i].point};
            memcpy(made.point, bytes + prefix, made.len);
            *out = made;
            return TERN_OK;
        }
    }
    return ti_fail(err, TERN_UNSUPPORTED, module, 0,
                   "public key is no uncompressed key of P-256, secp256k1 or P-384");
}

bool ti_ec_key_equal(const ti_ec_key *a, const ti_ec_key *b)
{
    return a->curve == b->curve && a->len == b->len && memcmp(a->point, b->point, a->len) == 0;
}

/* A key of libcrypto, or NULL when the point is not on its curve. */
static EVP_PKEY *load(const ti_ec_key *key)
{
    EVP_PKEY *made = NULL;
    ti_ec_key copy = *key; /* parameters are not const */
    char group[TI_OCMF_TEXT];
    size_t len = strlen(curves[key->curve].group);
    memcpy(group, curves[key->curve].group, len + 1);
    OSSL_PARAM params[] = {
        {"group", OSSL_PARAM_UTF8_STRING, group, len, OSSL_PARAM_UNMODIFIED},
        {"pub", OSSL_PARAM_OCTET_STRING, copy.point, copy.len, OSSL_PARAM_UNMODIFIED},
        {0},
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, &made, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        made = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return made;
}

tern_status ti_ocmf_verify(const ti_ocmf_record *record, const ti_ec_key *key, tern_err *err)
{
    if (record->curve != key->curve) {
        return ti_fail(err, TERN_NO, module, record->at,
                       "record at byte %llu: signed with %s, but the key is of %s",
                       (unsigned long long)record->at, curves[record->curve].group,
                       curves[key->curve].group);
    }
    EVP_PKEY *pkey = load(key);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int good = -1;
    if (pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1) {
        good =
            EVP_DigestVerify(ctx, record->sig, record->sig_len,
                             (const unsigned char *)record->payload.data, record->payload.len);
    }
    bool loaded = pkey != NULL, room = ctx != NULL;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    if (!room) {
        return ti_fail_nomem(err, module, 0, "a signature");
    }
    if (!loaded) {
        return ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET, "public key is no point of %s",
                       curves[key->curve].group);
    }
    if (good != 1) { /* a malformed signature is a wrong one */
        return ti_fail(err, TERN_NO, module, record->at,
                       "record at byte %llu: the signature is wrong",
                       (unsigned long long)record->at);
    }
    return TERN_OK;
}
