/*
 * yaml_read - libyaml's events become a tree.
 *
 * Aliases are copies. What they copy is counted in bytes, so ten lines that name each other ten times each
 * end in a message instead of a full memory. A node is known by its anchor once it is complete: one that
 * contains itself does not exist.
 */

#include "gateway/cli/yaml.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "gateway/base/mem.h"

enum {
    DEPTH_MAX = 64,
    MEMBERS_MAX = 4096,
    ANCHORS_MAX = 4096,
    ALIAS_BYTES_MAX = 64 << 20
};

struct anchor {
    char *name;
    const cJSON *node; /* in the tree, or among the spares */
};

struct reading {
    yaml_parser_t parser;
    struct anchor anchors[ANCHORS_MAX];
    size_t anchor_count;
    cJSON *spares; /* what merge keys were given: an anchor may be inside */
    size_t alias_bytes;
    int depth;
    struct err *err;
};

static bool fail(struct reading *reading, const yaml_mark_t *mark, const char *what)
{
    return err_set(reading->err, ERR_SYNTAX, "line %zu, column %zu: %s", mark->line + 1, mark->column + 1,
                   what);
}

static bool next(struct reading *reading, yaml_event_t *event)
{
    const yaml_parser_t *parser = &reading->parser;

    if (yaml_parser_parse(&reading->parser, event) == 1)
        return true;
    return fail(reading, &parser->problem_mark, parser->problem != NULL ? parser->problem : "no YAML");
}

static bool copy_alias(struct reading *reading, const yaml_event_t *event, cJSON **node);
static bool read_node(struct reading *reading, yaml_event_t *event, cJSON **node);

/* ---- scalars ---- */

static cJSON *tagged(const char *tag, const char *text)
{
    static const struct {
        const char *tag;
        int type; /* cJSON's */
    } tags[] = {{YAML_NULL_TAG, cJSON_NULL},
                {YAML_BOOL_TAG, cJSON_True | cJSON_False},
                {YAML_INT_TAG, cJSON_Number},
                {YAML_FLOAT_TAG, cJSON_Number}};

    if (strcmp(tag, YAML_STR_TAG) == 0 || strcmp(tag, "!") == 0)
        return cJSON_CreateString(text);
    for (size_t i = 0; i < COUNT(tags); i++) {
        if (strcmp(tag, tags[i].tag) != 0)
            continue;
        cJSON *value = yaml_scalar(text);
        if ((value->type & tags[i].type) != 0)
            return value;
        cJSON_Delete(value);
    }
    return NULL;
}

static bool read_scalar(struct reading *reading, const yaml_event_t *event, cJSON **node)
{
    const char *text = (const char *)event->data.scalar.value;
    const char *tag = (const char *)event->data.scalar.tag;

    if (memchr(text, '\0', event->data.scalar.length) != NULL)
        return fail(reading, &event->start_mark, "a text cannot hold the character 0");
    if (tag != NULL)
        *node = tagged(tag, text);
    else if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        *node = yaml_scalar(text);
    else
        *node = cJSON_CreateString(text);
    return *node != NULL || fail(reading, &event->start_mark, "the value is not of the type its tag says");
}

/* ---- anchors ---- */

static struct anchor *find_anchor(struct reading *reading, const char *name)
{
    for (size_t i = 0; i < reading->anchor_count; i++)
        if (strcmp(reading->anchors[i].name, name) == 0)
            return &reading->anchors[i];
    return NULL;
}

static bool keep_anchor(struct reading *reading, const char *name, const yaml_mark_t *mark, const cJSON *node)
{
    struct anchor *anchor = find_anchor(reading, name);

    if (anchor == NULL) {
        if (reading->anchor_count == ANCHORS_MAX)
            return fail(reading, mark, "too many anchors");
        anchor = &reading->anchors[reading->anchor_count++];
        anchor->name = mem_strdup(name);
    }
    anchor->node = node;
    return true;
}

/* Memory that a copy needs, as far as `limit`. */
static size_t bytes_of(const cJSON *node, size_t limit)
{
    size_t bytes = sizeof(cJSON) + 64; /* and what the allocator adds */

    bytes += node->string != NULL ? strlen(node->string) : 0;
    bytes += cJSON_IsString(node) ? strlen(node->valuestring) : 0;
    for (const cJSON *child = node->child; child != NULL && bytes < limit; child = child->next)
        bytes += bytes_of(child, limit - bytes);
    return bytes;
}

static int depth_of(const cJSON *node)
{
    int depth = 0;

    for (const cJSON *child = node->child; child != NULL; child = child->next) {
        int below = depth_of(child) + 1;
        depth = below > depth ? below : depth;
    }
    return depth;
}

static bool may_copy(struct reading *reading, const yaml_mark_t *mark, const cJSON *node)
{
    reading->alias_bytes += bytes_of(node, ALIAS_BYTES_MAX);
    if (reading->alias_bytes >= ALIAS_BYTES_MAX)
        return fail(reading, mark, "aliases make too much of this file");
    return reading->depth + depth_of(node) < DEPTH_MAX || fail(reading, mark, "nested too deeply");
}

static bool copy_alias(struct reading *reading, const yaml_event_t *event, cJSON **node)
{
    const struct anchor *anchor = find_anchor(reading, (const char *)event->data.alias.anchor);

    if (anchor == NULL)
        return fail(reading, &event->start_mark, "an alias of an anchor that is not there");
    if (!may_copy(reading, &event->start_mark, anchor->node))
        return false;
    *node = cJSON_Duplicate(anchor->node, true);
    return true;
}

/* ---- collections ---- */

static bool read_sequence(struct reading *reading, cJSON *array)
{
    for (;;) {
        yaml_event_t event;
        cJSON *item = NULL;
        if (!next(reading, &event))
            return false;
        bool is_end = event.type == YAML_SEQUENCE_END_EVENT;
        bool ok = is_end || read_node(reading, &event, &item);
        yaml_event_delete(&event);
        if (is_end || !ok)
            return ok;
        (void)cJSON_AddItemToArray(array, item);
    }
}

/* What a merge key brings does not replace anything. */
static bool merge_one(struct reading *reading, const yaml_mark_t *mark, cJSON *into, const cJSON *from)
{
    if (!cJSON_IsObject(from))
        return fail(reading, mark, "a merge key wants a mapping or a list of them");
    if (!may_copy(reading, mark, from))
        return false;
    for (const cJSON *child = from->child; child != NULL; child = child->next) {
        if (cJSON_GetObjectItemCaseSensitive(into, child->string) != NULL)
            continue;
        (void)cJSON_AddItemToObject(into, child->string, cJSON_Duplicate(child, true));
    }
    return true;
}

static bool merge(struct reading *reading, const yaml_mark_t *mark, cJSON *into, const cJSON *from)
{
    if (!cJSON_IsArray(from))
        return merge_one(reading, mark, into, from);
    for (const cJSON *item = from->child; item != NULL; item = item->next)
        if (!merge_one(reading, mark, into, item))
            return false;
    return true;
}

struct member {
    char *key;
    bool is_merge;
    yaml_mark_t mark;
};

/* false with key NULL and err untouched never happens: the end of the mapping is `*is_end`. */
static bool read_key(struct reading *reading, struct member *member, bool *is_end)
{
    yaml_event_t event;

    if (!next(reading, &event))
        return false;
    bool ok = true;
    *is_end = event.type == YAML_MAPPING_END_EVENT;
    member->mark = event.start_mark;
    if (!*is_end && event.type != YAML_SCALAR_EVENT) {
        ok = fail(reading, &event.start_mark, "a key must be a word");
    } else if (!*is_end) {
        const char *text = (const char *)event.data.scalar.value;
        member->is_merge = event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(text, "<<") == 0;
        if (memchr(text, '\0', event.data.scalar.length) != NULL)
            ok = fail(reading, &event.start_mark, "a key cannot hold the character 0");
        else if (event.data.scalar.anchor != NULL)
            ok = fail(reading, &event.start_mark, "a key cannot have an anchor");
        else
            member->key = mem_strdup(text);
    }
    yaml_event_delete(&event);
    return ok;
}

/* The value of `member`; into the mapping, or to be merged when the mapping is complete. */
static bool read_value(struct reading *reading, const struct member *member, cJSON *object, cJSON *merged)
{
    yaml_event_t event;
    cJSON *value = NULL;

    if (!member->is_merge && cJSON_GetObjectItemCaseSensitive(object, member->key) != NULL)
        return fail(reading, &member->mark, "the same key is there twice");
    if (cJSON_GetArraySize(object) >= MEMBERS_MAX)
        return fail(reading, &member->mark, "too many keys in one mapping");
    if (!next(reading, &event))
        return false;
    bool ok = read_node(reading, &event, &value);
    yaml_event_delete(&event);
    if (!ok)
        return false;
    if (member->is_merge)
        (void)cJSON_AddItemToArray(merged, value);
    else
        (void)cJSON_AddItemToObject(object, member->key, value);
    return true;
}

static bool read_mapping(struct reading *reading, cJSON *object)
{
    cJSON *merged = cJSON_CreateArray();
    yaml_mark_t mark = reading->parser.mark;
    bool is_end = false;
    bool ok = true;

    while (ok && !is_end) {
        struct member member = {0};
        ok = read_key(reading, &member, &is_end) && (is_end || read_value(reading, &member, object, merged));
        free(member.key);
    }
    for (const cJSON *from = merged->child; ok && from != NULL; from = from->next)
        ok = merge(reading, &mark, object, from);
    (void)cJSON_AddItemToArray(reading->spares, merged);
    return ok;
}

static bool read_collection(struct reading *reading, const yaml_event_t *event, cJSON **node)
{
    bool is_mapping = event->type == YAML_MAPPING_START_EVENT;

    if (reading->depth == DEPTH_MAX)
        return fail(reading, &event->start_mark, "nested too deeply");
    *node = is_mapping ? cJSON_CreateObject() : cJSON_CreateArray();
    (*node)->valueint = (int)event->start_mark.line + 1;
    reading->depth++;
    bool ok = is_mapping ? read_mapping(reading, *node) : read_sequence(reading, *node);
    reading->depth--;
    return ok;
}

static bool read_any(struct reading *reading, yaml_event_t *event, const char **anchor, cJSON **node)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return copy_alias(reading, event, node);
    case YAML_SCALAR_EVENT:
        *anchor = (const char *)event->data.scalar.anchor;
        return read_scalar(reading, event, node);
    case YAML_SEQUENCE_START_EVENT:
        *anchor = (const char *)event->data.sequence_start.anchor;
        return read_collection(reading, event, node);
    case YAML_MAPPING_START_EVENT:
        *anchor = (const char *)event->data.mapping_start.anchor;
        return read_collection(reading, event, node);
    default:
        return fail(reading, &event->start_mark, "a value is missing");
    }
}

/* On failure there is no node, and no anchor is looked at any more. */
static bool read_node(struct reading *reading, yaml_event_t *event, cJSON **node)
{
    const char *anchor = NULL;
    cJSON *made = NULL;

    bool ok = read_any(reading, event, &anchor, &made);
    if (ok && anchor != NULL)
        ok = keep_anchor(reading, anchor, &event->start_mark, made);
    if (!ok)
        cJSON_Delete(made);
    else
        *node = made;
    return ok;
}

/* From the start of the stream to its end. */
static bool read_stream(struct reading *reading, cJSON **tree)
{
    bool has_document = false;
    bool ok = true;
    bool is_end = false;

    while (ok && !is_end) {
        yaml_event_t event;
        if (!next(reading, &event))
            return false;
        is_end = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT && has_document)
            ok = fail(reading, &event.start_mark, "only one document is taken");
        else if (event.type == YAML_SCALAR_EVENT || event.type == YAML_ALIAS_EVENT ||
                 event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT)
            ok = read_node(reading, &event, tree);
        has_document = has_document || event.type == YAML_DOCUMENT_START_EVENT;
        yaml_event_delete(&event);
    }
    return ok;
}

bool yaml_read(struct str text, cJSON **tree, struct err *err)
{
    struct reading *reading = mem_zalloc(sizeof(*reading));
    cJSON *made = NULL;

    reading->err = err;
    reading->spares = cJSON_CreateArray();
    if (yaml_parser_initialize(&reading->parser) != 1)
        abort(); /* there is no memory */
    yaml_parser_set_input_string(&reading->parser, (const unsigned char *)text.at, text.len);
    bool ok = read_stream(reading, &made);
    if (ok)
        *tree = made != NULL ? made : cJSON_CreateNull();
    else
        cJSON_Delete(made);
    yaml_parser_delete(&reading->parser);
    cJSON_Delete(reading->spares);
    for (size_t i = 0; i < reading->anchor_count; i++)
        free(reading->anchors[i].name);
    free(reading);
    return ok;
}
