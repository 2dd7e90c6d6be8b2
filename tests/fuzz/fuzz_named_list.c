/* library: gateway_plugins */

/*
 * fuzz_named_list - any bytes as a query, a JSON object and a multipart body: what was read and written is
 * read alike, also when something was added, called otherwise and removed.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/http/exchange_recorder.h"
#include "gateway/plugins/named_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str multipart = {"multipart/form-data; boundary=xx", 32};

static void demand(bool fact)
{
    if (!fact)
        abort();
}

enum form {
    FORM_ENCODED,
    FORM_JSON,
    FORM_MULTIPART,
    FORM_COUNT
};

static bool read(enum form form, struct named_list *list, struct str text)
{
    if (form == FORM_ENCODED)
        return named_list_read_encoded(list, text);
    return form == FORM_JSON ? named_list_read_json(list, text)
                             : named_list_read_multipart(list, multipart, text);
}

static struct str write(enum form form, const struct named_list *list)
{
    if (form == FORM_ENCODED)
        return named_list_write_encoded(list);
    return form == FORM_JSON ? named_list_write_json(list) : named_list_write_multipart(list, multipart);
}

static void assert_same_again(enum form form, const struct named_list *list)
{
    struct named_list again = {.owner = list->owner};

    demand(read(form, &again, write(form, list)));
    demand(again.count == list->count);
    for (size_t i = 0; i < list->count; i++) {
        demand(str_equal(again.at[i].name, list->at[i].name));
        demand(str_equal(again.at[i].value, list->at[i].value));
    }
}

static void try_form(struct exchange *exchange, enum form form, struct str text)
{
    struct named_list list = {.owner = exchange};
    struct str added = STR("added \"1\"\r\n&=");
    struct str value = form == FORM_JSON ? named_list_json_text(exchange, text) : STR("x y");

    if (!read(form, &list, text))
        return;
    assert_same_again(form, &list);
    if (form == FORM_MULTIPART)
        added = STR("added");
    named_list_rename(&list, added, STR("other"));
    named_list_remove(&list, added);
    demand(named_list_find(&list, added) == NULL);
    named_list_add(&list, added, value);
    assert_same_again(form, &list);
    named_list_replace(&list, added, STR("1"));
    demand(str_equal(named_list_find(&list, added)->value, STR("1")));
    named_list_rename(&list, added, STR("b"));
    assert_same_again(form, &list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct exchange_request request = {.method = STR("POST"), .path = STR("/")};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);

    for (enum form form = FORM_ENCODED; form < FORM_COUNT; form++)
        try_form(exchange, form, (struct str){(const char *)data, size});
    exchange_recorder_free(exchange);
    return 0;
}
