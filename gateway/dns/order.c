/*
 * order - see order.h.
 */

#include "gateway/dns/order.h"

static const struct {
    struct str word;
    enum dns_type type;
} words[] = {
    {{"LAST", 4}, DNS_LAST}, {{"SRV", 3}, DNS_SRV},     {{"A", 1}, DNS_A},
    {{"AAAA", 4}, DNS_AAAA}, {{"CNAME", 5}, DNS_CNAME},
};
_Static_assert(COUNT(words) == ORDER_MAX, "each word once");

static bool has(const struct order *order, enum dns_type type)
{
    for (size_t i = 0; i < order->count; i++)
        if (order->types[i] == type)
            return true;
    return false;
}

static void add(struct order *order, enum dns_type type)
{
    if (!has(order, type))
        order->types[order->count++] = type;
}

static bool add_word(struct order *order, struct str word, struct err *err)
{
    for (size_t i = 0; i < COUNT(words); i++) {
        if (!str_equal_nocase(words[i].word, word))
            continue;
        if (has(order, words[i].type))
            return err_set(err, ERR_INVALID, "'%.*s' stands in it twice", STR_ARG(word));
        add(order, words[i].type);
        return true;
    }
    int shown = word.len < 40 ? (int)word.len : 40;
    return err_set(err, ERR_INVALID, "'%.*s' is not one of: LAST SRV A AAAA CNAME", shown, word.at);
}

bool order_parse(struct str text, struct order *order, struct err *err)
{
    struct order parsed = {.count = 0};

    for (size_t from = 0; from <= text.len;) {
        size_t comma = str_find(text, ',', from);
        size_t end = comma == SIZE_MAX ? text.len : comma;

        if (!add_word(&parsed, str_trim(str_part(text, from, end)), err))
            return false;
        from = end + 1;
    }
    if (parsed.count == 1 && parsed.types[0] == DNS_LAST)
        return err_set(err, ERR_INVALID, "LAST alone asks for nothing");
    *order = parsed;
    return true;
}

struct order order_for(const struct order *order, enum dns_type last)
{
    struct order types = {.count = 0};

    for (size_t i = 0; i < order->count; i++) {
        enum dns_type type = order->types[i] == DNS_LAST ? last : order->types[i];

        if (type != DNS_LAST)
            add(&types, type);
    }
    return types;
}

struct order order_of_addresses(const struct order *order)
{
    struct order types = {.count = 0};

    for (size_t i = 0; i < order->count; i++)
        if (order->types[i] == DNS_A || order->types[i] == DNS_AAAA)
            add(&types, order->types[i]);
    if (types.count == 0)
        add(&types, DNS_A);
    return types;
}
