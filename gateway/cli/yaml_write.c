/*
 * yaml_write - a tree becomes libyaml's events. Texts that would be read as something else get quotes.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "gateway/cli/yaml.h"

static int add_bytes(void *arg, unsigned char *bytes, size_t count)
{
    buf_add(arg, bytes, count);
    return 1;
}

/* libyaml frees the event also when it fails. */
static bool emit(yaml_emitter_t *emitter, yaml_event_t *event, int was_made)
{
    return was_made == 1 && yaml_emitter_emit(emitter, event) == 1;
}

static bool write_scalar(yaml_emitter_t *emitter, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t event;
    int was_made = yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                                (int)strlen(text), 1, 1, style);

    return emit(emitter, &event, was_made);
}

static bool write_text(yaml_emitter_t *emitter, const char *text)
{
    cJSON *as_plain = yaml_scalar(text);
    bool is_text = cJSON_IsString(as_plain) && strcmp(text, "<<") != 0;
    bool has_lines = strchr(text, '\n') != NULL;
    /* Other ends of lines would be read as the usual one. */
    bool has_others = strchr(text, '\r') != NULL || strstr(text, "\xc2\x85") != NULL ||
                      strstr(text, "\xe2\x80\xa8") != NULL || strstr(text, "\xe2\x80\xa9") != NULL;

    cJSON_Delete(as_plain);
    if (has_others)
        return write_scalar(emitter, text, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
    if (has_lines)
        return write_scalar(emitter, text, YAML_LITERAL_SCALAR_STYLE);
    return write_scalar(emitter, text, is_text ? YAML_PLAIN_SCALAR_STYLE : YAML_SINGLE_QUOTED_SCALAR_STYLE);
}

/* The shortest digits that are the same number again. */
static bool write_number(yaml_emitter_t *emitter, double number)
{
    char text[64];

    if (floor(number) == number && fabs(number) < 1e16) {
        (void)snprintf(text, sizeof(text), "%.0f", number);
        return write_scalar(emitter, text, YAML_PLAIN_SCALAR_STYLE);
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    return write_scalar(emitter, text, YAML_PLAIN_SCALAR_STYLE);
}

static bool write_node(yaml_emitter_t *emitter, const cJSON *node);

static bool write_object(yaml_emitter_t *emitter, const cJSON *object)
{
    yaml_event_t event;
    yaml_mapping_style_t style = object->child != NULL ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;

    if (!emit(emitter, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style)))
        return false;
    for (const cJSON *child = object->child; child != NULL; child = child->next)
        if (!write_text(emitter, child->string) || !write_node(emitter, child))
            return false;
    return emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static bool write_array(yaml_emitter_t *emitter, const cJSON *array)
{
    yaml_event_t event;
    yaml_sequence_style_t style = array->child != NULL ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;

    if (!emit(emitter, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style)))
        return false;
    for (const cJSON *child = array->child; child != NULL; child = child->next)
        if (!write_node(emitter, child))
            return false;
    return emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static bool write_node(yaml_emitter_t *emitter, const cJSON *node)
{
    if (cJSON_IsObject(node))
        return write_object(emitter, node);
    if (cJSON_IsArray(node))
        return write_array(emitter, node);
    if (cJSON_IsNumber(node))
        return write_number(emitter, node->valuedouble);
    if (cJSON_IsString(node))
        return write_text(emitter, node->valuestring);
    if (cJSON_IsBool(node))
        return write_scalar(emitter, cJSON_IsTrue(node) ? "true" : "false", YAML_PLAIN_SCALAR_STYLE);
    return write_scalar(emitter, "null", YAML_PLAIN_SCALAR_STYLE);
}

static bool write_stream(yaml_emitter_t *emitter, const cJSON *tree)
{
    yaml_event_t event;

    return emit(emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
           emit(emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) &&
           write_node(emitter, tree) &&
           emit(emitter, &event, yaml_document_end_event_initialize(&event, 1)) &&
           emit(emitter, &event, yaml_stream_end_event_initialize(&event)) &&
           yaml_emitter_flush(emitter) == 1;
}

bool yaml_write(const cJSON *tree, struct buf *to, struct err *err)
{
    yaml_emitter_t emitter;

    if (yaml_emitter_initialize(&emitter) != 1)
        abort(); /* there is no memory */
    yaml_emitter_set_output(&emitter, add_bytes, to);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    bool ok =
        write_stream(&emitter, tree) || err_set(err, ERR_INVALID, "write YAML: %s",
                                                emitter.problem != NULL ? emitter.problem : "out of memory");
    yaml_emitter_delete(&emitter);
    return ok;
}
