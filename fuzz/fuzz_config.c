/* URLs and ini files of any bytes. The first byte chooses: what the parser of URLs takes must mask
 * without growing out of bounds and without its password; what the parser of ini files takes must
 * be found again under the name by which it is listed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/ini.h"
#include "config/url.h"
#include "core/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void try_url(const char *text)
{
    struct arena arena = { 0 };
    struct url url;
    const char *shown = url_masked(text, &arena);
    require(shown != NULL);
    if (url_parse(text, &arena, &url, NULL) == RAG_OK) {
        require(url.scheme && url.location && url.option_count <= LIMIT_URL_OPTIONS);
        for (size_t i = 0; i < url.option_count; i++)
            require(url_option(&url, url.options[i].name) == url.options[i].value);
        const char *password = url_option(&url, "password");
        if (password && strlen(password) >= 8 && strcmp(url.scheme, "@") != 0 &&
            strstr(text, password) && strstr(text, password) == strrchr(text, password[0]))
            require(!strstr(shown, password)); /* it stands in the text once, as it is */
    }
    arena_free(&arena);
}

static void try_ini(const char *text, size_t len, unsigned flags)
{
    struct ini ini = { 0 };
    if (ini_parse(text, len, "fuzz.ini", flags, &ini, NULL) == RAG_OK)
        for (size_t i = 0; i < ini.count; i++)
            require(ini_get(&ini, ini.entries[i].section, ini.entries[i].key) ==
                    ini.entries[i].value);
    ini_free(&ini);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] % 3) {
        try_ini((const char *)data + 1, size - 1, data[0] % 3 == 1 ? INI_SECTIONLESS : 0);
        return 0;
    }
    char *text = rag_memdup_text(data + 1, size - 1);
    require(text != NULL);
    try_url(text);
    rag_free(text);
    return 0;
}
