/*
 * form_body - see form_body.h.
 *
 * A name is a list of steps: `a.b[2]` is member a, member b, place 2. Walking them makes what is missing; a
 * container of the wrong kind is replaced, so the last one who says what something is wins. Numbered places
 * are kept as an object marked NUMBERED until form_finish(), because they may come in any order. One with a
 * gap stays an object, and validation then says "expected an array".
 */

#include "admin/form_body.h"

#include <stdlib.h>
#include <string.h>

#include "admin/query_string.h"
#include "gateway/base/mem.h"

enum {
    MAX_STEPS = 32, /* deeper names end there: nothing has fields that deep */
    /* cJSON leaves valueint alone for everything but numbers: it says how far a node has come. */
    NUMBERED = 1,
    FRESH = 2,
};

enum step_kind {
    STEP_MEMBER,
    STEP_NUMBER, /* [3] */
    STEP_APPEND, /* [] */
};

struct step {
    enum step_kind kind;
    const char *name; /* into the copy of the field's name; NULL for STEP_APPEND */
};

struct steps {
    struct step at[MAX_STEPS];
    size_t count;
};

static void add_step(struct steps *steps, enum step_kind kind, const char *name)
{
    if (steps->count < MAX_STEPS)
        steps->at[steps->count++] = (struct step){kind, name};
}

/* Is `text` nothing but groups like [] and [12]? */
static bool are_brackets(const char *text)
{
    while (*text == '[') {
        text += 1 + strspn(text + 1, "0123456789");
        if (*text != ']')
            return false;
        text++;
    }
    return *text == '\0';
}

static void split_piece(struct steps *steps, char *piece)
{
    char *bracket = strchr(piece, '[');

    add_step(steps, STEP_MEMBER, piece);
    if (bracket == NULL || bracket == piece || !are_brackets(bracket))
        return;
    while (bracket != NULL && *bracket == '[') {
        char *end = strchr(bracket, ']');
        if (end == NULL)
            return;
        *bracket = '\0';
        *end = '\0';
        if (end == bracket + 1)
            add_step(steps, STEP_APPEND, NULL);
        else
            add_step(steps, STEP_NUMBER, bracket + 1);
        bracket = end + 1;
    }
}

static void split_name(struct steps *steps, char *name)
{
    steps->count = 0;
    for (char *piece = name; piece != NULL;) {
        char *dot = strchr(piece, '.');
        if (dot != NULL)
            *dot = '\0';
        split_piece(steps, piece);
        piece = dot != NULL ? dot + 1 : NULL;
    }
}

/* The node stays where it is and keeps its name; what it held is gone. */
static void become(cJSON *item, int type, int mark)
{
    cJSON_Delete(item->child);
    free(item->valuestring);
    item->child = NULL;
    item->valuestring = NULL;
    item->type = type;
    item->valueint = mark;
}

static void make_container(cJSON *item, enum step_kind kind)
{
    int type = kind == STEP_APPEND ? cJSON_Array : cJSON_Object;
    int mark = kind == STEP_NUMBER ? NUMBERED : 0;

    if (item->type != type || item->valueint != mark)
        become(item, type, mark);
}

static cJSON *fresh_node(void)
{
    cJSON *node = cJSON_CreateNull();

    node->valueint = FRESH;
    return node;
}

static cJSON *descend(cJSON *item, const struct step *step, enum form_repeats repeats)
{
    cJSON *next = NULL;

    make_container(item, step->kind);
    if (step->kind != STEP_APPEND)
        next = cJSON_GetObjectItemCaseSensitive(item, step->name);
    else if (repeats == FORM_LAST_WINS)
        next = item->child;
    if (next != NULL)
        return next;
    next = fresh_node();
    if (step->kind == STEP_APPEND)
        (void)cJSON_AddItemToArray(item, next);
    else
        (void)cJSON_AddItemToObject(item, step->name, next);
    return next;
}

static void set_leaf(cJSON *item, struct str value)
{
    if (value.at == NULL) {
        become(item, cJSON_True, 0);
    } else if (value.len == 0) {
        become(item, cJSON_NULL, 0);
    } else {
        become(item, cJSON_String, 0);
        item->valuestring = mem_strndup(value.at, value.len);
    }
}

/* The name was there before: a scalar becomes the first of two. */
static void collect(cJSON *item, struct str value)
{
    if (!cJSON_IsArray(item)) {
        cJSON *first = cJSON_Duplicate(item, true);
        free(first->string);
        first->string = NULL;
        become(item, cJSON_Array, 0);
        (void)cJSON_AddItemToArray(item, first);
    }
    cJSON *next = cJSON_CreateNull();
    set_leaf(next, value);
    (void)cJSON_AddItemToArray(item, next);
}

static bool is_text(struct str s)
{
    return str_is_utf8(s) && (s.len == 0 || memchr(s.at, '\0', s.len) == NULL);
}

/* Members named 1 to count, each once, in that order; NULL: they are not. The caller frees the list. */
static cJSON **places(const cJSON *item, size_t count)
{
    cJSON **place = mem_zalloc((count + 1) * sizeof(cJSON *));

    for (cJSON *child = item->child; child != NULL; child = child->next) {
        int64_t number;
        if (!str_to_int(str_of(child->string), &number) || number < 1 || (size_t)number > count ||
            place[number - 1] != NULL) {
            free(place);
            return NULL;
        }
        place[number - 1] = child;
    }
    return place;
}

static void number_to_array(cJSON *item)
{
    size_t count = (size_t)cJSON_GetArraySize(item);
    cJSON **place = places(item, count);

    if (place == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        free(place[i]->string);
        place[i]->string = NULL;
        place[i]->prev =
            place[i > 0 ? i - 1 : count - 1]; /* the first one's is the last: cJSON appends by it */
        place[i]->next = place[i + 1];
    }
    item->type = cJSON_Array;
    item->child = place[0];
    free(place);
}

bool form_add(cJSON *object, struct str name, struct str value, enum form_repeats repeats)
{
    struct steps steps;
    cJSON *item = object;

    if (!is_text(name) || !is_text(value))
        return false;
    if (name.len == 0)
        return true;
    char *copy = mem_strndup(name.at, name.len);
    split_name(&steps, copy);
    for (size_t i = 0; i < steps.count; i++)
        item = descend(item, &steps.at[i], repeats);
    if (repeats == FORM_LAST_WINS || item->valueint == FRESH || cJSON_IsObject(item))
        set_leaf(item, value);
    else
        collect(item, value);
    free(copy);
    return true;
}

void form_finish(cJSON *object)
{
    for (cJSON *child = object->child; child != NULL; child = child->next)
        form_finish(child);
    if (cJSON_IsObject(object) && object->valueint == NUMBERED)
        number_to_array(object);
    object->valueint = 0;
}

enum form_verdict form_parse(struct str body, cJSON **object)
{
    struct query_string arguments;
    enum form_verdict verdict = FORM_OK;

    *object = NULL;
    if (!query_string_parse(body, &arguments))
        return FORM_TOO_MANY;
    cJSON *form = cJSON_CreateObject();
    for (size_t i = 0; i < arguments.count && verdict == FORM_OK; i++)
        if (!form_add(form, arguments.at[i].name, arguments.at[i].value, FORM_COLLECTS))
            verdict = FORM_BAD_TEXT;
    query_string_fini(&arguments);
    if (verdict != FORM_OK) {
        cJSON_Delete(form);
        return verdict;
    }
    form_finish(form);
    *object = form;
    return FORM_OK;
}
