/* fold_text() goes by words of eight bytes; here the same text is folded character by character, at
 * every place that it can have in a word, and with bytes between that are not UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fold.h"

static const char *const pieces[] = { "A",
                                      "z",
                                      "9",
                                      " ",
                                      "\xc3\x98",
                                      "\xd0\x96",
                                      "\xce\xa3",
                                      "\xcf\x82",
                                      "\xe4\xba\xac",
                                      "\xe1\xba\x80",
                                      "\xea\x99\x80",
                                      "\xef\xbc\xa1",
                                      "\xf0\x90\x90\x80",
                                      "\xff",
                                      "\x85",
                                      "\xc8\xba",
                                      "\xc4\xb0",
                                      "\xe2\x84\xaa" };
static const char *const folded[] = { "a",
                                      "z",
                                      "9",
                                      " ",
                                      "\xc3\xb8",
                                      "\xd0\xb6",
                                      "\xcf\x83",
                                      "\xcf\x83",
                                      "\xe4\xba\xac",
                                      "\xe1\xba\x81",
                                      "\xea\x99\x81",
                                      "\xef\xbd\x81",
                                      "\xf0\x90\x90\xa8",
                                      "\xff",
                                      "\x85",
                                      "\xe2\xb1\xa5",
                                      "i",
                                      "k" };
enum { PIECES = sizeof pieces / sizeof *pieces, SAME_WIDTH = 15, TEXT = 40 };

static void test_random_texts(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (size_t round = 0; round < 20000; round++) {
        char text[TEXT * 4 + 1] = "", wanted[TEXT * 4 + 1] = "", out[TEXT * 6 + 2];
        size_t len = 0, wanted_len = 0;
        int same = 1, same_widths = -1;
        for (size_t i = 0; i < round % TEXT; i++) {
            random = random * 1664525u + 1013904223u;
            const size_t k = (random >> 16) % (round % 3 ? SAME_WIDTH : PIECES);
            memcpy(text + len, pieces[k], strlen(pieces[k]));
            len += strlen(pieces[k]);
            memcpy(wanted + wanted_len, folded[k], strlen(folded[k]));
            wanted_len += strlen(folded[k]);
            same &= k < SAME_WIDTH;
        }
        assert_int_equal(fold_text(text, len, out, &same_widths), wanted_len);
        assert_memory_equal(out, wanted, wanted_len);
        assert_int_equal(same_widths, same);
    }
}

/* Every character that folds to one of the text is there, with that one, and no other. */
static void test_variants(void **state)
{
    static const char text[] = "9ksi\xcf\x83\xe4\xba\xac\xe2\xb1\xa5";
    static const char expected_from[] = "IKS\xc4\xb0\xc8\xba\xce\xa3\xcf\x82\xe2\x84\xaa";
    static const char expected_to[] = "iksi\xe2\xb1\xa5\xcf\x83\xcf\x83k";
    rag_slice from, to;
    char *memory;
    rag_error err = RAG_ERROR_INIT;
    (void)state;
    assert_int_equal(fold_variants(rag_text(text), &from, &to, &memory, &err), RAG_OK);
    assert_int_equal(from.len, sizeof expected_from - 1);
    assert_memory_equal(from.data, expected_from, from.len);
    assert_int_equal(to.len, sizeof expected_to - 1);
    assert_memory_equal(to.data, expected_to, to.len);
    rag_free(memory);
    assert_int_equal(fold_variants(rag_text("\xe4\xba\xac"), &from, &to, &memory, &err), RAG_OK);
    assert_int_equal(from.len + to.len, 0);
    rag_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_texts),
                                        cmocka_unit_test(test_variants) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
