/* library: admin */

/*
 * fuzz_multipart - the first line as the Content-Type, the rest as its body: a tree that is sound, or a
 * refusal. Then the same bytes as lines `name=value` that we encode: what comes back is the last value of
 * each name.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin/body.h"
#include "admin/multipart.h"
#include "gateway/base/str.h"

enum {
    MAX_LINES = 64
};

static const struct str boundary = {"--b", 3};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As a body of any kind the type may name, and once more with the type's end as the boundary. */
static void read_anything(struct str type, struct str bytes)
{
    struct body body;
    cJSON *object = NULL;

    if (body_parse(type, bytes, &body) == BODY_OK)
        free(cJSON_PrintUnformatted(body.object));
    body_fini(&body);
    if (multipart_parse(bytes, multipart_boundary(type), &object) == FORM_OK) {
        assert(cJSON_IsObject(object));
        free(cJSON_PrintUnformatted(object));
    }
    cJSON_Delete(object);
}

/* Can it stand in quotes, and does it name a member of the top level? */
static bool is_plain(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (strchr("\"\r.[", name.at[i]) != NULL)
            return false;
    return name.len > 0;
}

static void add_line(struct str line, struct str *names, struct str *values, size_t *count)
{
    size_t equals = str_find(line, '=', 0);

    if (equals == SIZE_MAX || *count == MAX_LINES || !is_plain(str_part(line, 0, equals)))
        return;
    struct str value = str_part(line, equals + 1, line.len);
    if (memmem(value.at, value.len, boundary.at, boundary.len) != NULL)
        return;
    names[*count] = str_part(line, 0, equals);
    values[(*count)++] = value;
}

static void write_part(struct buf *text, struct str name, struct str value)
{
    buf_add_str(text, STR("----b\r\ncontent-disposition: form-data; name=\""));
    buf_add_str(text, name);
    buf_add_str(text, STR("\"\r\nContent-Type: text/plain\r\n\r\n"));
    buf_add_str(text, value);
    buf_add_str(text, STR("\r\n"));
}

/* The last value with this name is the member's. */
static void check_last(const cJSON *object, const struct str *names, const struct str *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t last = i;
        for (size_t j = i + 1; j < count; j++)
            last = str_equal(names[i], names[j]) ? j : last;
        char *name = strndup(names[i].at, names[i].len);
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
        assert(values[last].len == 0 ? cJSON_IsNull(item) : cJSON_IsString(item));
        if (cJSON_IsString(item))
            assert(str_equal(str_of(item->valuestring), values[last]));
        free(name);
    }
}

static void read_what_we_wrote(struct str bytes)
{
    struct str names[MAX_LINES];
    struct str values[MAX_LINES];
    struct buf text = {0};
    cJSON *object = NULL;
    size_t count = 0;

    for (size_t from = 0; from < bytes.len;) {
        size_t end = str_find(bytes, '\n', from);
        end = end == SIZE_MAX ? bytes.len : end;
        add_line(str_part(bytes, from, end), names, values, &count);
        from = end + 1;
    }
    for (size_t i = 0; i < count; i++)
        write_part(&text, names[i], values[i]);
    buf_add_str(&text, STR("----b--\r\n"));
    if (multipart_parse(buf_str(&text), boundary, &object) == FORM_OK)
        check_last(object, names, values, count);
    else
        assert(!str_is_utf8(bytes) || memchr(bytes.at, '\0', bytes.len) != NULL);
    cJSON_Delete(object);
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    size_t line = str_find(text, '\n', 0);

    if (line != SIZE_MAX)
        read_anything(str_part(text, 0, line), str_part(text, line + 1, size));
    read_what_we_wrote(text);
    return 0;
}
