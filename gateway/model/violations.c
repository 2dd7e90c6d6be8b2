/*
 * violations - the tree of what is wrong with a body, and the sentence made of it (Admin API
 * reference 1.8, 1.9).
 *
 * The tree mirrors the entity: objects for records, arrays with null at the good positions, texts at the
 * leaves, and "@entity" lists for rules over several fields.
 */

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/str.h"
#include "gateway/model/place.h"
#include "gateway/model/texts.h"

void violations_fini(struct violations *violations)
{
    cJSON_Delete(violations->fields);
    violations->fields = NULL;
}

bool violations_any(const struct violations *violations)
{
    return violations->fields != NULL && violations->fields->child != NULL;
}

static cJSON *member(const cJSON *node, const struct place_part *part)
{
    if (part->name != NULL)
        return cJSON_IsObject(node) ? cJSON_GetObjectItemCaseSensitive(node, part->name) : NULL;
    return cJSON_IsArray(node) ? cJSON_GetArrayItem(node, part->position - 1) : NULL;
}

/* Puts `item` at `part` unless something is there: the first violation of a field is the one that is told. */
static void put(cJSON *node, const struct place_part *part, cJSON *item)
{
    const cJSON *old = member(node, part);
    bool fits = part->name != NULL ? cJSON_IsObject(node) : cJSON_IsArray(node);
    if (!fits || (old != NULL && !cJSON_IsNull(old))) {
        cJSON_Delete(item);
        return;
    }
    if (part->name != NULL) {
        cJSON_AddItemToObject(node, part->name, item);
        return;
    }
    for (int size = cJSON_GetArraySize(node); size < part->position; size++)
        cJSON_AddItemToArray(node, cJSON_CreateNull());
    cJSON_ReplaceItemInArray(node, part->position - 1, item);
}

/* The container that the place's parts lead to, made as far as it is missing; NULL: a text stands in the way.
 */
static cJSON *reach(struct violations *violations, const struct place *place, size_t depth, bool is_list)
{
    if (violations->fields == NULL)
        violations->fields = cJSON_CreateObject();
    cJSON *node = violations->fields;
    for (size_t i = 0; i < depth && node != NULL; i++) {
        bool list_follows = i + 1 < place->depth ? place->parts[i + 1].name == NULL : is_list;
        put(node, &place->parts[i], list_follows ? cJSON_CreateArray() : cJSON_CreateObject());
        node = member(node, &place->parts[i]);
    }
    return cJSON_IsString(node) ? NULL : node;
}

/* What a client sent may have been cut, or never was UTF-8; an answer must be. */
static char *clean_text(const char *text)
{
    char *copy = mem_strdup(text);
    utf8_mend(copy);
    return copy;
}

void violations_put_entity(struct violations *violations, const struct place *place, const char *text)
{
    cJSON *node = reach(violations, place, place->depth, false);
    violations->count++;
    if (!cJSON_IsObject(node))
        return;
    cJSON *list = cJSON_GetObjectItemCaseSensitive(node, "@entity");
    if (list == NULL)
        list = cJSON_AddArrayToObject(node, "@entity");
    char *clean = clean_text(text);
    if (cJSON_IsArray(list))
        cJSON_AddItemToArray(list, cJSON_CreateString(clean));
    free(clean);
}

void violations_put(struct violations *violations, const struct place *place, const char *text)
{
    const struct place_part *last = &place->parts[place->depth - 1];
    if (last->name != NULL && strcmp(last->name, "@entity") == 0) {
        struct place record = *place;
        place_pop(&record);
        violations_put_entity(violations, &record, text);
        return;
    }
    char *clean = clean_text(text);
    cJSON *node = reach(violations, place, place->depth - 1, false);
    violations->count++;
    if (node != NULL)
        put(node, last, cJSON_CreateString(clean));
    free(clean);
}

const cJSON *violations_find(const struct violations *violations, const struct place *place)
{
    const cJSON *node = violations->fields;
    for (size_t i = 0; i < place->depth && node != NULL; i++)
        node = member(node, &place->parts[i]);
    return cJSON_IsNull(node) ? NULL : node;
}

void violations_forget(struct violations *violations, const struct place *place, const char *name)
{
    cJSON *node = violations->fields;
    for (size_t i = 0; i < place->depth && node != NULL; i++)
        node = member(node, &place->parts[i]);
    if (cJSON_IsObject(node))
        cJSON_DeleteItemFromObjectCaseSensitive(node, name);
}

/* "a.2" -> {"a"}, {2}. Cuts `path` into pieces, which the place borrows. */
static struct place place_of(char *path)
{
    struct place place = {.depth = 0};
    for (char *rest = path, *part; (part = strsep(&rest, ".")) != NULL;) {
        bool is_position = part[0] >= '1' && part[0] <= '9' && strspn(part, "0123456789") == strlen(part) &&
                           strlen(part) < 7;
        if (is_position)
            place_push_position(&place, (int)strtol(part, NULL, 10));
        else
            place_push(&place, part);
    }
    return place;
}

void violations_add(struct violations *violations, const char *path, const char *format, ...)
{
    struct buf text = {0};
    va_list values;
    va_start(values, format);
    va_list again;
    va_copy(again, values);
    int len = vsnprintf(NULL, 0, format, values);
    va_end(values);
    char *to = buf_reserve(&text, (size_t)len);
    (void)vsnprintf(to, (size_t)len + 1, format, again);
    va_end(again);

    char *parts = mem_strdup(path != NULL ? path : "@entity");
    struct place place = place_of(parts);
    violations_put(violations, &place, to);
    free(parts);
    buf_fini(&text);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* The members of an object in the order of their names. The caller frees the list. */
static const cJSON **sorted(const cJSON *object, size_t *count)
{
    *count = (size_t)cJSON_GetArraySize(object);
    const cJSON **members = mem_alloc((*count + 1) * sizeof(const cJSON *));
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
    const cJSON *next = node->child; /* of an array */
    for (int i = 0; i < total; i++, next = next->next) {
        const cJSON *item = is_array ? next : members[i];
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
            (void)snprintf(part, sizeof(part), "%d", ++position);
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
