/*
 * checks - one function per kind of rule, in a table. A rule is judged only when the fields it reads are
 * right by themselves.
 */

#include "gateway/model/checks.h"

#include <stdio.h>
#include <string.h>

enum {
    MESSAGE_SIZE = 512,
    NAME_SIZE = 128
};

struct checking {
    const struct check *check;
    const cJSON *object;
    struct examination *examination;
};

/* The value at a dotted name below the object; NULL: none. */
static const cJSON *find(const cJSON *object, const char *name)
{
    const char *dot = strchr(name, '.');
    if (dot == NULL)
        return cJSON_GetObjectItemCaseSensitive(object, name);
    char part[NAME_SIZE];
    (void)snprintf(part, sizeof(part), "%.*s", (int)(dot - name), name);
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(object, part);
    return inner != NULL ? find(inner, dot + 1) : NULL;
}

/* Has the field, named from the record on, a violation of its own, or is what it is in wrong as a whole? */
static bool is_wrong(const struct checking *checking, const char *name)
{
    char copy[NAME_SIZE];
    struct place place = checking->examination->place;
    const cJSON *violation = NULL;
    (void)snprintf(copy, sizeof(copy), "%s", name);
    for (char *rest = copy, *part; !cJSON_IsString(violation) && (part = strsep(&rest, ".")) != NULL;) {
        place_push(&place, part);
        violation = violations_find(checking->examination->violations, &place);
    }
    return violation != NULL;
}

static void add_entity(const struct checking *checking, const char *text)
{
    violations_put_entity(checking->examination->violations, &checking->examination->place, text);
}

static size_t count_set(const struct checking *checking, size_t *total)
{
    size_t set = 0;
    *total = 0;
    for (const char *const *name = checking->check->names; *name != NULL; name++, ++*total)
        set += rules_is_empty(find(checking->object, *name)) ? 0 : 1;
    return set;
}

static void complain(const struct checking *checking, const char *start)
{
    char text[MESSAGE_SIZE];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s: ", start);
    for (const char *const *name = checking->check->names; *name != NULL && len < sizeof(text); name++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s'%s'",
                                name > checking->check->names ? ", " : "", *name);
    add_entity(checking, text);
}

static void at_least_one_of(const struct checking *checking)
{
    size_t total;
    if (count_set(checking, &total) > 0)
        return;
    complain(checking, checking->examination->op == DOCUMENT_UPDATE
                           ? "when updating, at least one of these fields must be non-empty"
                           : "at least one of these fields must be non-empty");
}

static void only_one_of(const struct checking *checking)
{
    size_t total;
    if (count_set(checking, &total) != 1)
        complain(checking, "exactly one of these fields must be non-empty");
}

static void mutually_exclusive(const struct checking *checking)
{
    size_t total;
    if (count_set(checking, &total) > 1)
        complain(checking, "only one or none of these fields must be set");
}

static void mutually_required(const struct checking *checking)
{
    size_t total;
    size_t set = count_set(checking, &total);
    if (set != 0 && set != total)
        complain(checking, "all or none of these fields must be set");
}

static bool are_same(const cJSON *a, const cJSON *b)
{
    return !rules_is_empty(a) && !rules_is_empty(b) && cJSON_Compare(a, b, true);
}

static void distinct(const struct checking *checking)
{
    const char *const *names = checking->check->names;
    bool repeated = false;
    for (size_t i = 0; names[i] != NULL; i++)
        for (size_t k = 0; k < i; k++)
            repeated =
                repeated || are_same(find(checking->object, names[i]), find(checking->object, names[k]));
    if (repeated)
        complain(checking, "values of these fields must be distinct");
}

/* The name may lead into records. */
static void complain_of_field(const struct checking *checking, const char *name, const char *text)
{
    char copy[NAME_SIZE];
    struct place place = checking->examination->place;
    (void)snprintf(copy, sizeof(copy), "%s", name);
    for (char *rest = copy, *part; (part = strsep(&rest, ".")) != NULL;)
        place_push(&place, part);
    violations_put(checking->examination->violations, &place, text);
}

static void conditional(const struct checking *checking)
{
    const struct check *check = checking->check;
    cJSON *null = cJSON_CreateNull();
    const cJSON *given = find(checking->object, check->if_field->name);
    const cJSON *then = find(checking->object, check->then_field->name);
    char message[MESSAGE_SIZE];
    bool applies = !is_wrong(checking, check->if_field->name) &&
                   (check->overrides || !is_wrong(checking, check->then_field->name)) &&
                   rules_attributes(check->if_field, given != NULL ? given : null, message) == NULL;
    const char *wrong =
        applies ? rules_attributes(check->then_field, then != NULL ? then : null, message) : NULL;
    if ((then == NULL || cJSON_IsNull(then)) && check->then_field->eq_json == NULL &&
        check->then_field->ne_json == NULL)
        wrong = NULL; /* what is not there is in no list and has no length: only `required` asks for it */
    if (wrong == NULL && applies && (check->then_field->flags & FIELD_REQUIRED) != 0 && rules_is_empty(then))
        wrong = "required field missing";
    if (wrong != NULL) {
        char text[MESSAGE_SIZE];
        (void)snprintf(text, sizeof(text), "failed conditional validation given value of field '%s'",
                       check->if_field->name);
        add_entity(checking, text);
        if (check->overrides)
            violations_forget(checking->examination->violations, &checking->examination->place,
                              check->then_field->name);
        complain_of_field(checking, check->then_field->name,
                          check->then_error != NULL ? check->then_error : wrong);
    }
    cJSON_Delete(null);
}

static void custom(const struct checking *checking)
{
    checking->check->run(checking->object, checking->examination->violations);
}

static void (*const kinds[])(const struct checking *checking) = {
    [CHECK_AT_LEAST_ONE_OF] = at_least_one_of,
    [CHECK_ONLY_ONE_OF] = only_one_of,
    [CHECK_MUTUALLY_EXCLUSIVE] = mutually_exclusive,
    [CHECK_MUTUALLY_REQUIRED] = mutually_required,
    [CHECK_DISTINCT] = distinct,
    [CHECK_CONDITIONAL] = conditional,
    [CHECK_CUSTOM] = custom,
};

static bool is_readable(const struct checking *checking)
{
    for (const char *const *name = checking->check->names; name != NULL && *name != NULL; name++)
        if (is_wrong(checking, *name))
            return false;
    return true;
}

void checks_run(const struct field *record, const cJSON *object, struct examination *examination)
{
    for (size_t i = 0; i < record->check_count; i++) {
        const struct checking checking = {&record->checks[i], object, examination};
        if (is_readable(&checking))
            kinds[record->checks[i].kind](&checking);
    }
}
