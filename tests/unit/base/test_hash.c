#include "hash.h"

#include <stdio.h>
#include <string.h>

#include "leak_check.h"
#include "random.h"

TestSuite(hash, .fini = leak_check);

static void expect_hex(struct hash h, const char *wanted)
{
    char text[2 * HASH_SIZE + 1];
    hex_encode(h.bytes, HASH_SIZE, text);
    cr_expect_str_eq(text, wanted);
}

/* FIPS 180-4 and its example messages. */
Test(hash, sha_256_of_known_messages)
{
    static char million[1000000];
    memset(million, 'a', sizeof million);
    const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    expect_hex(hash_bytes("abc", 3),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_hex(hash_bytes("", 0),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_hex(hash_bytes(two_blocks, strlen(two_blocks)),
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect_hex(hash_bytes(million, sizeof million),
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

Test(hash, secrets_are_equal_where_every_byte_is)
{
    char a[16] = "0123456789abcde";
    for (size_t i = 0; i < sizeof a; i++) {
        char b[sizeof a];
        memcpy(b, a, sizeof b);
        cr_expect(secret_equal(a, b, sizeof a));
        b[i] ^= 1;
        cr_expect_not(secret_equal(a, b, sizeof a), "byte %zu", i);
    }
    cr_expect(secret_equal(a, "x", 0));
}

Test(hash, two_pieces_are_one_text)
{
    const char *text = "abcdefgh";
    struct hash whole = hash_bytes(text, 8);
    for (size_t cut = 0; cut <= 8; cut++) {
        struct hash two = hash_two(text, cut, text + cut, 8 - cut);
        cr_expect(hash_equal(&whole, &two));
    }
    struct hash other = hash_bytes(text, 7);
    cr_expect_not(hash_equal(&whole, &other));
}

/* RFC 4231, cases 1 to 4, 6 and 7. */
Test(hash, hmac_of_known_messages)
{
    unsigned char key_0b[20], key_aa[131], counting[25], data_dd[50], data_cd[50];
    memset(key_0b, 0x0b, sizeof key_0b);
    memset(key_aa, 0xaa, sizeof key_aa);
    memset(data_dd, 0xdd, sizeof data_dd);
    memset(data_cd, 0xcd, sizeof data_cd);
    for (size_t i = 0; i < sizeof counting; i++) {
        counting[i] = (unsigned char)(i + 1);
    }
    const char *question = "what do ya want for nothing?";
    const char *large_key = "Test Using Larger Than Block-Size Key - Hash Key First";
    const char *large_both =
        "This is a test using a larger than block-size key and a larger than block-size data. The "
        "key needs to be hashed before being used by the HMAC algorithm.";
    expect_hex(hash_mac(key_0b, 20, "Hi There", 8),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    expect_hex(hash_mac("Jefe", 4, question, strlen(question)),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    expect_hex(hash_mac(key_aa, 20, data_dd, 50),
               "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    expect_hex(hash_mac(counting, 25, data_cd, 50),
               "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    expect_hex(hash_mac(key_aa, 131, large_key, strlen(large_key)),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    expect_hex(hash_mac(key_aa, 131, large_both, strlen(large_both)),
               "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

Test(hash, the_short_form_is_the_first_eight_bytes)
{
    struct hash h = hash_bytes("abc", 3);
    cr_expect_eq(hash_short(&h), 0xba7816bf8f01cfeau);
}

static int compare_nonces(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

Test(hash, random_bytes_of_any_size_never_come_twice)
{
    enum { N = 20000 };
    static unsigned char nonces[N][16];
    unsigned char other[1500];
    for (size_t i = 0; i < N; i++) {
        random_bytes(other, i % sizeof other); /* leaves the pool at every place */
        random_bytes(nonces[i], 16);
    }
    qsort(nonces, N, 16, compare_nonces);
    for (size_t i = 1; i < N; i++) {
        cr_assert_neq(memcmp(nonces[i - 1], nonces[i], 16), 0);
    }
}

Test(hash, random_bytes_differ)
{
    unsigned char a[64] = {0}, b[64] = {0};
    random_bytes(a, sizeof a);
    random_bytes(b, sizeof b);
    random_bytes(a, 0);
    cr_expect_neq(memcmp(a, b, sizeof a), 0);
}

Test(hash, table_keys_spread_and_repeat)
{
    enum { KEYS = 20000, SLOTS = 1024 };
    static unsigned count[SLOTS];
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        int n = snprintf(key, sizeof key, "service-%d", i);
        uint64_t h = hash_table_key(key, (size_t)n);
        cr_assert_eq(h, hash_table_key(key, (size_t)n));
        count[h % SLOTS]++;
    }
    for (int i = 0; i < SLOTS; i++) {
        cr_expect(count[i] < 3 * KEYS / SLOTS, "slot %d holds %u keys", i, count[i]);
    }
}

Test(hash, table_keys_see_length_and_every_byte)
{
    unsigned char zeros[40] = {0};
    for (size_t n = 0; n < sizeof zeros; n++) {
        uint64_t h = hash_table_key(zeros, n);
        cr_expect_neq(h, hash_table_key(zeros, n + 1));
        for (size_t i = 0; i < n; i++) {
            zeros[i] = 1;
            cr_expect_neq(h, hash_table_key(zeros, n));
            zeros[i] = 0;
        }
    }
}

Test(hash, hex_goes_there_and_back)
{
    struct random r = {random_seed()};
    for (size_t n = 0; n < 64; n++) {
        unsigned char bytes[64], back[64];
        char text[129];
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (unsigned char)random_next(&r);
        }
        hex_encode(bytes, n, text);
        cr_assert_eq(strlen(text), 2 * n);
        cr_assert(hex_decode(text, 2 * n, back, n));
        cr_assert_eq(memcmp(bytes, back, n), 0);
    }
}

Test(hash, hex_is_strict)
{
    unsigned char byte;
    cr_expect(hex_decode("0f", 2, &byte, 1));
    cr_expect_eq(byte, 0x0f);
    static const char *const wrong[] = {"", "0", "0f0", "0F", "g0", "0g", " 0", "-1", "0x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_expect_not(hex_decode(wrong[i], strlen(wrong[i]), &byte, 1), "%s", wrong[i]);
    }
}
