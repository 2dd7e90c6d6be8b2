#pragma once

/*
 * answer - making and comparing what resolver.h hands out.
 *
 * Threads: any; answers are immutable.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/dns/order.h"
#include "gateway/dns/resolver.h"

/* A new answer with one reference. Names are copied. */
const struct resolver_answer *answer_new(uint64_t number, enum dns_type type,
                                         const struct resolver_address *addresses, size_t count);
/* Do both lead to the same addresses, with the same ports, weights and names? Numbers do not matter. */
bool answer_equal(const struct resolver_answer *a, const struct resolver_answer *b);
