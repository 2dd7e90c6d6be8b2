/*
 * answer - see answer.h. One piece of memory: the count, the addresses, the texts of their names.
 */

#include "gateway/dns/answer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"

struct counted_answer {
    _Atomic uint32_t reference_count; /* thread: any */
    struct resolver_answer answer;
};

static struct counted_answer *counted(const struct resolver_answer *answer)
{
    /* Answers are const to those who share them; the count is not part of what they share. */
    union {
        const struct resolver_answer *shared;
        struct resolver_answer *counted;
    } pointer = {answer};

    return CONTAINER_OF(pointer.counted, struct counted_answer, answer);
}

const struct resolver_answer *answer_new(uint64_t number, enum dns_type type,
                                         const struct resolver_address *addresses, size_t count)
{
    size_t texts = 0;

    for (size_t i = 0; i < count; i++)
        texts += addresses[i].name != NULL ? strlen(addresses[i].name) + 1 : 0;
    struct counted_answer *made = mem_zalloc(sizeof(*made) + count * sizeof(*addresses) + texts);
    char *text = (char *)&made->answer.addresses[count];

    atomic_init(&made->reference_count, 1);
    made->answer.number = number;
    made->answer.type = (uint16_t)type;
    made->answer.count = count;
    for (size_t i = 0; i < count; i++) {
        made->answer.addresses[i] = addresses[i];
        if (addresses[i].name == NULL)
            continue;
        size_t size = strlen(addresses[i].name) + 1;
        made->answer.addresses[i].name = memcpy(text, addresses[i].name, size);
        text += size;
    }
    return &made->answer;
}

static bool is_same(const struct resolver_address *a, const struct resolver_address *b)
{
    if (a->port != b->port || a->weight != b->weight || (a->name == NULL) != (b->name == NULL))
        return false;
    return memcmp(&a->at, &b->at, sizeof(a->at)) == 0 && (a->name == NULL || strcmp(a->name, b->name) == 0);
}

bool answer_equal(const struct resolver_answer *a, const struct resolver_answer *b)
{
    if (a->type != b->type || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!is_same(&a->addresses[i], &b->addresses[i]))
            return false;
    return true;
}

const struct resolver_answer *resolver_answer_ref(const struct resolver_answer *answer)
{
    (void)atomic_fetch_add_explicit(&counted(answer)->reference_count, 1, memory_order_relaxed);
    return answer;
}

void resolver_answer_unref(const struct resolver_answer *answer)
{
    if (answer == NULL)
        return;
    /* Pairs with itself on other threads: whoever frees sees their last reads done. */
    if (atomic_fetch_sub_explicit(&counted(answer)->reference_count, 1, memory_order_acq_rel) == 1)
        free(counted(answer));
}

size_t resolver_answer_pick(const struct resolver_answer *answer, size_t turn)
{
    uint64_t total = 0;
    bool differ = false;

    for (size_t i = 0; i < answer->count; i++) {
        total += answer->addresses[i].weight;
        differ = differ || answer->addresses[i].weight != answer->addresses[0].weight;
    }
    if (!differ)
        return turn % answer->count;
    /* Steps of the golden ratio spread evenly over the whole: a heavy address is not taken many times
     * running. */
    uint64_t at = (uint32_t)(turn * 2654435769u) * total >> 32;
    for (size_t i = 0; i < answer->count; i++) {
        if (at < answer->addresses[i].weight)
            return i;
        at -= answer->addresses[i].weight;
    }
    return 0;
}
