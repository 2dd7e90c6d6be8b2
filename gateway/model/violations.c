/*
 * violations - the tree of what is wrong with a body, and the sentence made of it (Admin API
 * reference 1.8, 1.9).
 *
 * The tree mirrors the entity: objects for records, arrays with null at the good positions, texts at the
 * leaves, and
 * "@entity" lists for rules over several fields.
 */

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/str.h"
#include "gateway/model/document.h"

enum {
    INDEX_MAX = 100000,
    PART_SIZE = 256
};

void violations_fini(struct violations *violations)
{
    cJSON_Delete(violations->fields);
    violations->fields = NULL;
}

bool violations_any(const struct violations *violations)
{
    return violations->fields != NULL && violations->fields->child != NULL;
}

/* "12" -> 12; 0: not a position. */
static int position_of(const char *part)
{
    if (part[0] == '\0' || strspn(part, "0123456789") != strlen(part))
        return 0;
    long number = strtol(part, NULL, 10);
    return number > 0 && number < INDEX_MAX ? (int)number : 0;
}

static cJSON *member(const cJSON *node, const char *part)
{
    int position = position_of(part);
    if (cJSON_IsArray(node))
        return position > 0 ? cJSON_GetArrayItem(node, position - 1) : NULL;
    return cJSON_GetObjectItemCaseSensitive(node, part);
}

/* Puts `item` at `part` unless something is there: the first violation of a field is the one that is told. */
static void put(cJSON *node, const char *part, cJSON *item)
{
    cJSON *old = member(node, part);
    if (old != NULL && !cJSON_IsNull(old)) {
        cJSON_Delete(item);
        return;
    }
    if (!cJSON_IsArray(node)) {
        if (old != NULL)
            cJSON_ReplaceItemInObjectCaseSensitive(node, part, item);
        else
            cJSON_AddItemToObject(node, part, item);
        return;
    }
    int position = position_of(part);
    while (cJSON_GetArraySize(node) < position)
        cJSON_AddItemToArray(node, cJSON_CreateNull());
    cJSON_ReplaceItemInArray(node, position - 1, item);
}

/* The container at `part` for a following `next`; NULL: there is already a text. */
static cJSON *descend(cJSON *node, const char *part, const char *next)
{
    put(node, part, position_of(next) > 0 ? cJSON_CreateArray() : cJSON_CreateObject());
    cJSON *child = member(node, part);
    return cJSON_IsString(child) ? NULL : child;
}

static void put_at(cJSON *node, const char *path, const char *text)
{
    char part[PART_SIZE];
    const char *dot = strchr(path, '.');
    if (dot == NULL) {
        if (strcmp(path, "@entity") != 0) {
            put(node, path, cJSON_CreateString(text));
            return;
        }
        if (member(node, path) == NULL)
            cJSON_AddItemToObject(node, path, cJSON_CreateArray());
        cJSON_AddItemToArray(member(node, path), cJSON_CreateString(text));
        return;
    }
    char next[PART_SIZE];
    snprintf(part, sizeof(part), "%.*s", (int)(dot - path), path);
    snprintf(next, sizeof(next), "%.*s", (int)strcspn(dot + 1, "."), dot + 1);
    cJSON *child = descend(node, part, next);
    if (child != NULL)
        put_at(child, dot + 1, text);
}

void violations_add(struct violations *violations, const char *path, const char *format, ...)
{
    char *text;
    va_list values;
    va_start(values, format);
    struct buf buf = {0};
    char stack[512];
    int len = vsnprintf(stack, sizeof(stack), format, values);
    va_end(values);
    if (len >= (int)sizeof(stack)) {
        va_start(values, format);
        vsnprintf(buf_reserve(&buf, (size_t)len + 1), (size_t)len + 1, format, values);
        va_end(values);
        text = buf.at;
    } else {
        text = stack;
    }
    if (violations->fields == NULL)
        violations->fields = cJSON_CreateObject();
    put_at(violations->fields, path != NULL ? path : "@entity", text);
    buf_fini(&buf);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* The members of an object in the order of their names. The caller frees the list. */
static const cJSON **sorted(const cJSON *object, size_t *count)
{
    *count = (size_t)cJSON_GetArraySize(object);
    const cJSON **members = malloc((*count + 1) * sizeof(const cJSON *));
    if (members == NULL)
        abort();
    size_t i = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, object) members[i++] = child;
    qsort(members, *count, sizeof(const cJSON *), by_name);
    return members;
}

static bool is_identifier(const char *text)
{
    if (text[0] == '\0' || isdigit((unsigned char)text[0]) != 0)
        return false;
    for (; *text != '\0'; text++)
        if (isalnum((unsigned char)*text) == 0 && *text != '_')
            return false;
    return true;
}

static void add_key(struct buf *buf, const char *key)
{
    buf_printf(buf, is_identifier(key) ? "%s" : "[\"%s\"]", key);
}

static void add_text(struct buf *buf, const char *text)
{
    bool long_form = strpbrk(text, "\"\\\n") != NULL;
    buf_printf(buf, long_form ? "[[%s]]" : "\"%s\"", text);
}

static void add_scalar(struct buf *buf, const cJSON *value)
{
    if (cJSON_IsString(value)) {
        add_text(buf, value->valuestring);
    } else {
        char *text = cJSON_PrintUnformatted(value);
        buf_add_text(buf, text != NULL ? text : "null");
        free(text);
    }
}

/* The deep form: two blanks per level, keys sorted. */
static void add_table(struct buf *buf, const cJSON *node, int depth)
{
    if (!cJSON_IsObject(node) && !cJSON_IsArray(node)) {
        add_scalar(buf, node);
        return;
    }
    size_t count;
    bool is_array = cJSON_IsArray(node);
    const cJSON **members = is_array ? NULL : sorted(node, &count);
    buf_add_text(buf, "{\n");
    int total = cJSON_GetArraySize(node);
    for (int i = 0; i < total; i++) {
        const cJSON *item = is_array ? cJSON_GetArrayItem(node, i) : members[i];
        buf_printf(buf, "%*s", 2 * (depth + 1), "");
        if (!is_array) {
            add_key(buf, item->string);
            buf_add_text(buf, " = ");
        }
        add_table(buf, item, depth + 1);
        buf_add_text(buf, i + 1 < total ? ",\n" : "\n");
    }
    buf_printf(buf, "%*s}", 2 * depth, "");
    free(members);
}

struct sentence {
    struct buf buf;
    int count;
};

static void begin_clause(struct sentence *sentence)
{
    buf_add_text(&sentence->buf, sentence->count++ > 0 ? "; " : "");
}

static void add_clause(struct sentence *sentence, const char *field, const char *part, const cJSON *what)
{
    begin_clause(sentence);
    buf_printf(&sentence->buf, part != NULL ? "%s.%s: " : "%s: ", field, part);
    if (cJSON_IsString(what))
        buf_add_text(&sentence->buf, what->valuestring);
    else
        add_table(&sentence->buf, what, 0);
}

static void add_field(struct sentence *sentence, const cJSON *field)
{
    if (cJSON_IsString(field)) {
        add_clause(sentence, field->string, NULL, field);
    } else if (cJSON_IsArray(field)) {
        int position = 0;
        const cJSON *item;
        cJSON_ArrayForEach(item, field)
        {
            char part[16];
            snprintf(part, sizeof(part), "%d", ++position);
            if (!cJSON_IsNull(item))
                add_clause(sentence, field->string, part, item);
        }
    } else {
        size_t count;
        const cJSON **members = sorted(field, &count);
        for (size_t i = 0; i < count; i++)
            add_clause(sentence, field->string, members[i]->string, members[i]);
        free(members);
    }
}

char *violations_message(const struct violations *violations)
{
    struct sentence sentence = {0};
    const cJSON *text;
    size_t count;
    cJSON_ArrayForEach(text, cJSON_GetObjectItemCaseSensitive(violations->fields, "@entity"))
    {
        begin_clause(&sentence);
        buf_add_text(&sentence.buf, text->valuestring);
    }
    const cJSON **fields = sorted(violations->fields, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i]->string, "@entity") != 0)
            add_field(&sentence, fields[i]);
    free(fields);
    struct buf whole = {0};
    if (sentence.count == 1)
        buf_printf(&whole, "schema violation (%s)", buf_str(&sentence.buf).at);
    else
        buf_printf(&whole, "%d schema violations (%s)", sentence.count, buf_str(&sentence.buf).at);
    buf_fini(&sentence.buf);
    return buf_take(&whole);
}

static void add_one_line(struct buf *buf, const cJSON *node)
{
    if (!cJSON_IsObject(node)) {
        add_scalar(buf, node);
        return;
    }
    size_t count;
    const cJSON **members = sorted(node, &count);
    buf_add_byte(buf, '{');
    for (size_t i = 0; i < count; i++) {
        buf_add_text(buf, i > 0 ? "," : "");
        add_key(buf, members[i]->string);
        buf_add_byte(buf, '=');
        add_one_line(buf, members[i]);
    }
    buf_add_byte(buf, '}');
    free(members);
}

char *key_text(const cJSON *key)
{
    struct buf buf = {0};
    add_one_line(&buf, key);
    return buf_take(&buf);
}
