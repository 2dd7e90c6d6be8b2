/*
 * token - see token.h. Every look-up is one of a table of 256 sets of bits, because heads are most of what a
 * gateway reads.
 */

#include "gateway/http/token.h"

#include <string.h>

enum {
    TCHAR = 1,
    VALUE = 2,
    HOST = 4,    /* reg-name and IPv4, percent signs unchecked */
    LITERAL = 8, /* inside brackets: hexadecimal digits, colons, dots */
};

/* clang-format off */
#define D_ (TCHAR | VALUE | HOST | LITERAL) /* digit, or a letter up to f */
#define A_ (TCHAR | VALUE | HOST)           /* other letters, and marks that are fine everywhere */
#define C_ (VALUE | LITERAL)                /* colon */
#define P_ (TCHAR | VALUE | HOST | LITERAL) /* dot */
#define T_ (TCHAR | VALUE)
#define H_ (VALUE | HOST)
#define V_ VALUE
static const uint8_t sets[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, V_, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /* space ! " # $ % & ' ( ) * + , - . / */
    V_, A_, V_, T_, A_, A_, A_, A_, H_, H_, A_, A_, H_, A_, P_, V_,
    /* 0-9 : ; < = > ? */
    D_, D_, D_, D_, D_, D_, D_, D_, D_, D_, C_, H_, V_, H_, V_, V_,
    /* @ A-O */
    V_, D_, D_, D_, D_, D_, D_, A_, A_, A_, A_, A_, A_, A_, A_, A_,
    /* P-Z [ \ ] ^ _ */
    A_, A_, A_, A_, A_, A_, A_, A_, A_, A_, A_, V_, V_, V_, T_, A_,
    /* ` a-o */
    T_, D_, D_, D_, D_, D_, D_, A_, A_, A_, A_, A_, A_, A_, A_, A_,
    /* p-z { | } ~ DEL */
    A_, A_, A_, A_, A_, A_, A_, A_, A_, A_, A_, V_, T_, V_, A_, 0,
    V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_,
    V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_,
    V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_,
    V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_,
    V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_,
    V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_,
    V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_,
    V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_, V_,
};
/* clang-format on */

static bool all_in(struct str s, uint8_t set)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((sets[(uint8_t)s.at[i]] & set) == 0)
            return false;
    }
    return true;
}

bool token_is_valid(struct str s)
{
    return s.len > 0 && all_in(s, TCHAR);
}

/*
 * May eight bytes hold one below ' ' (which a tab is, too) or a DEL? The sum of a byte's distance to what is
 * sought borrows from its highest bit only if it is reached; a borrow from the byte before makes the answer a
 * "maybe", never a wrong "no".
 */
static bool may_hold_controls(uint64_t eight)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t below_blank = (eight - ones * ' ') & ~eight;
    uint64_t without_del = eight ^ ones * 0x7f;
    uint64_t is_del = (without_del - ones) & ~without_del;

    return ((below_blank | is_del) & ones * 0x80) != 0;
}

bool token_is_value(struct str s)
{
    uint64_t eight;

    for (; s.len >= sizeof(eight); s = str_part(s, sizeof(eight), s.len)) {
        memcpy(&eight, s.at, sizeof(eight));
        if (may_hold_controls(eight) && !all_in(str_part(s, 0, sizeof(eight)), VALUE))
            return false;
    }
    return all_in(s, VALUE);
}

struct str token_unquoted(struct str s)
{
    return s.len >= 2 && s.at[0] == '"' && s.at[s.len - 1] == '"' ? str_part(s, 1, s.len - 1) : s;
}

bool token_to_length(struct str s, int64_t *length)
{
    int64_t value = 0;

    if (s.len == 0 || s.len > 18)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        value = value * 10 + (s.at[i] - '0');
    }
    *length = value;
    return true;
}

bool token_is_authority(struct str s)
{
    size_t host_end;
    int64_t port;

    if (s.len > 0 && s.at[0] == '[') {
        host_end = str_find(s, ']', 1);
        if (host_end == SIZE_MAX || host_end == 1 || !all_in(str_part(s, 1, host_end), LITERAL))
            return false;
        host_end++;
    } else {
        host_end = str_find(s, ':', 0);
        if (host_end == SIZE_MAX)
            host_end = s.len;
        if (host_end == 0 || !all_in(str_part(s, 0, host_end), HOST))
            return false;
    }
    if (host_end == s.len)
        return true;
    struct str port_text = str_part(s, host_end + 1, s.len);
    return s.at[host_end] == ':' &&
           (port_text.len == 0 || (token_to_length(port_text, &port) && port <= 65535));
}

bool token_list_has(struct str list, struct str word)
{
    for (size_t at = 0; at <= list.len;) {
        size_t end = str_find(list, ',', at);

        if (end == SIZE_MAX)
            end = list.len;
        if (str_equal_nocase(str_trim(str_part(list, at, end)), word))
            return true;
        at = end + 1;
    }
    return false;
}
