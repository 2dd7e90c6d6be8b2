#pragma once

/*
 * name_server - a name server on loopback, UDP and TCP, that answers names by what they begin with:
 *
 *   a          one address, 10.0.0.<number of questions so far>, TTL 1 s
 *   zero       the same, TTL 0
 *   many       three addresses, TTL 300 s
 *   six        an IPv4 and an IPv6 address        only6    an IPv6 address only
 *   srv        SRV records: port 8081 weight 0 at many.t1, 8082 weight 5 at a.t2, and a worse priority
 *   srvzero    SRV records at many.t1 and many.t2, TTL 0; an address, TTL 0, as well
 *   alias      an alias of many.behind, without its records      circle   aliases in a circle
 *   endless    each question has another alias as its answer
 *   none       does not exist                     fail     the server fails
 *   flaky      fails at first                     silent   nothing
 *   garbage    no DNS at all                      wrongid  the answer of another question
 *   wrongname  an answer with another question    lying    10,000 records are promised, one comes
 *   cut        UDP: cut; TCP: two addresses       huge     UDP: cut; TCP: 4,000 addresses
 *   twice      the answer three times, late       slow     after 300 ms         lazy   after 50 ms
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/dns/order.h"

struct name_server {
    pthread_t thread;
    int udp, tcp;
    char address[32];
    atomic_int questions;
    atomic_bool failing; /* whatever the name */
    atomic_bool partly;  /* fails for many.t2 */
    atomic_bool no_srv;  /* fails for SRV records */
    atomic_bool moved;   /* "many" has other addresses */
    atomic_bool stopping;
};

/* A message being written. */
struct packet {
    uint8_t bytes[65536];
    size_t length;
    size_t question_end;
    uint16_t type;
    char name[256];
};

static inline bool begins(const struct packet *packet, const char *with)
{
    return strncmp(packet->name, with, strlen(with)) == 0;
}

static inline void packet_number(struct packet *packet, unsigned number)
{
    packet->bytes[packet->length++] = (uint8_t)(number >> 8);
    packet->bytes[packet->length++] = (uint8_t)number;
}

static inline void packet_name(struct packet *packet, const char *name)
{
    while (*name != '\0') {
        size_t length = strcspn(name, ".");

        packet->bytes[packet->length++] = (uint8_t)length;
        memcpy(packet->bytes + packet->length, name, length);
        packet->length += length;
        name += length + (name[length] == '.');
    }
    packet->bytes[packet->length++] = 0;
}

/* A record of the name in the question, or of `owner`. */
static inline void packet_head(struct packet *packet, const char *owner, unsigned type, uint32_t ttl,
                               size_t length)
{
    if (owner == NULL)
        packet_number(packet, 0xc00c);
    else
        packet_name(packet, owner);
    packet_number(packet, type);
    packet_number(packet, 1);
    packet_number(packet, ttl >> 16);
    packet_number(packet, ttl & 0xffff);
    packet_number(packet, (unsigned)length);
    packet->bytes[7]++;
}

static inline void packet_a(struct packet *packet, uint32_t ttl, uint32_t address)
{
    packet_head(packet, NULL, DNS_A, ttl, 4);
    packet_number(packet, address >> 16);
    packet_number(packet, address & 0xffff);
}

static inline void packet_srv(struct packet *packet, unsigned priority, unsigned weight, unsigned port,
                              const char *target)
{
    packet_head(packet, NULL, DNS_SRV, begins(packet, "srvzero") ? 0 : 300, 6 + strlen(target) + 2);
    packet_number(packet, priority);
    packet_number(packet, weight);
    packet_number(packet, port);
    packet_name(packet, target);
}

static inline void packet_alias(struct packet *packet, const char *owner, const char *target, uint32_t ttl)
{
    packet_head(packet, owner, DNS_CNAME, ttl, strlen(target) + 2);
    packet_name(packet, target);
}

/* Of a question for `name`. */
static inline void packet_start(struct packet *packet, const char *name, unsigned type)
{
    memset(packet->bytes, 0, 12);
    packet->length = 12;
    packet->bytes[2] = 0x81;
    packet->bytes[3] = 0x80;
    packet->bytes[5] = 1;
    packet_name(packet, name);
    packet_number(packet, type);
    packet_number(packet, 1);
    packet->question_end = packet->length;
    packet->type = (uint16_t)type;
}

static inline bool packet_read_question(struct packet *packet)
{
    size_t at = 12;
    size_t used = 0;

    if (packet->length < 17)
        return false;
    while (at < packet->length && packet->bytes[at] != 0) {
        memcpy(packet->name + used, packet->bytes + at + 1, packet->bytes[at]);
        used += packet->bytes[at];
        packet->name[used++] = '.';
        at += packet->bytes[at] + 1u;
    }
    packet->name[used > 0 ? used - 1 : 0] = '\0';
    packet->type = (uint16_t)(packet->bytes[at + 1] << 8 | packet->bytes[at + 2]);
    packet->length = at + 5; /* whatever follows (EDNS) is dropped */
    packet->question_end = packet->length;
    packet->bytes[2] = 0x81;
    packet->bytes[3] = 0x80;
    memset(packet->bytes + 6, 0, 6);
    return true;
}

static inline void answer_srv(struct packet *packet)
{
    if (packet->type == DNS_A && begins(packet, "srvzero"))
        packet_a(packet, 0, 0x0a000001);
    if (packet->type != DNS_SRV)
        return;
    if (begins(packet, "srvzero")) {
        packet_srv(packet, 1, 1, 8081, "many.t1");
        packet_srv(packet, 1, 1, 8082, "many.t2");
        return;
    }
    packet_srv(packet, 7, 9, 9999, "many.worse");
    packet_srv(packet, 1, 5, 8082, "a.t2");
    packet_srv(packet, 1, 0, 8081, "many.t1");
}

static inline void answer_aliases(struct packet *packet, int number)
{
    char target[64];

    if (begins(packet, "alias")) {
        packet_alias(packet, NULL, "many.behind", 30);
    } else if (begins(packet, "circle")) {
        packet_alias(packet, NULL, "circle.b", 30);
        packet_alias(packet, "circle.b", packet->name, 30);
    } else {
        (void)snprintf(target, sizeof(target), "endless%d.test", number);
        packet_alias(packet, NULL, target, 30);
    }
}

static inline void answer_huge(struct packet *packet, bool over_tcp)
{
    int count = begins(packet, "huge") ? 4000 : 2;

    if (packet->type != DNS_A)
        return;
    if (!over_tcp) {
        packet->bytes[2] |= 2; /* cut */
        return;
    }
    for (int i = count; i > 0; i--)
        packet_a(packet, 300, 0x0a000000u + (uint32_t)i);
    packet->bytes[6] = (uint8_t)(count >> 8);
    packet->bytes[7] = (uint8_t)count;
}

static inline void answer_wrong(struct packet *packet)
{
    if (begins(packet, "wrongid"))
        packet->bytes[0] ^= 0xff;
    if (begins(packet, "wrongname"))
        packet->bytes[13] ^= 1;
    packet_a(packet, 300, 0x0a000001);
    if (begins(packet, "lying")) {
        packet->bytes[6] = 10000 >> 8;
        packet->bytes[7] = (uint8_t)10000;
    }
    if (begins(packet, "garbage"))
        memset(packet->bytes + 2, 0xee, packet->length - 2);
}

static inline void answer_addresses(struct name_server *server, struct packet *packet, uint32_t number)
{
    bool has_six = begins(packet, "six") || begins(packet, "only6");

    if (packet->type == DNS_AAAA && has_six) {
        packet_head(packet, NULL, DNS_AAAA, 300, 16);
        memset(packet->bytes + packet->length, 0, 16);
        packet->bytes[packet->length] = 0xfd;
        packet->length += 16;
    }
    if (packet->type != DNS_A || begins(packet, "only6"))
        return;
    if (begins(packet, "many") || begins(packet, "twice")) {
        uint32_t network = atomic_load(&server->moved) ? 0x0a010000 : 0x0a000000;

        for (uint32_t i = 0; i < 3; i++) /* in another order each time */
            packet_a(packet, 300, network + 1 + (i + number) % 3);
    } else {
        packet_a(packet, begins(packet, "zero") ? 0 : begins(packet, "a") ? 1 : 300, 0x0a000000 + number);
    }
}

static inline bool server_fails(struct name_server *server, const struct packet *packet, int number)
{
    if (atomic_load(&server->failing) || begins(packet, "fail"))
        return true;
    if (atomic_load(&server->no_srv) && packet->type == DNS_SRV)
        return true;
    return begins(packet, "flaky") ? number == 1 : atomic_load(&server->partly) && begins(packet, "many.t2");
}

/* Turns the question in `packet` into its answer. False: no answer. */
static inline bool answer_question(struct name_server *server, struct packet *packet, bool over_tcp)
{
    if (!packet_read_question(packet))
        return false;
    int number = atomic_fetch_add(&server->questions, 1) + 1;
    if (begins(packet, "silent"))
        return false;
    if (begins(packet, "slow") || begins(packet, "lazy"))
        (void)poll(NULL, 0, begins(packet, "slow") ? 300 : 50);
    if (server_fails(server, packet, number))
        packet->bytes[3] |= 2;
    else if (begins(packet, "none"))
        packet->bytes[3] |= 3;
    else if (begins(packet, "srv"))
        answer_srv(packet);
    else if (begins(packet, "alias") || begins(packet, "circle") || begins(packet, "endless"))
        answer_aliases(packet, number);
    else if (begins(packet, "cut") || begins(packet, "huge"))
        answer_huge(packet, over_tcp);
    else if (begins(packet, "garbage") || begins(packet, "wrong") || begins(packet, "lying"))
        answer_wrong(packet);
    else
        answer_addresses(server, packet, (uint32_t)number);
    return true;
}

static inline void serve_udp(struct name_server *server, struct packet *packet)
{
    struct sockaddr_in peer;
    socklen_t peer_length = sizeof(peer);
    ssize_t count = recvfrom(server->udp, packet->bytes, 512, 0, (void *)&peer, &peer_length);

    packet->length = count > 0 ? (size_t)count : 0;
    if (!answer_question(server, packet, false))
        return;
    for (int i = begins(packet, "twice") ? 3 : 1; i > 0; i--)
        (void)sendto(server->udp, packet->bytes, packet->length, 0, (void *)&peer, peer_length);
}

static inline void serve_tcp(struct name_server *server, struct packet *packet)
{
    int link = accept(server->tcp, NULL, NULL);
    uint8_t length[2];

    if (recv(link, length, 2, MSG_WAITALL) == 2 &&
        recv(link, packet->bytes, (size_t)(length[0] << 8 | length[1]), MSG_WAITALL) > 0) {
        packet->length = (size_t)(length[0] << 8 | length[1]);
        if (answer_question(server, packet, true)) {
            length[0] = (uint8_t)(packet->length >> 8);
            length[1] = (uint8_t)packet->length;
            (void)send(link, length, 2, MSG_NOSIGNAL);
            (void)send(link, packet->bytes, packet->length, MSG_NOSIGNAL);
        }
    }
    close(link);
}

static inline void *name_server_run(void *arg)
{
    struct name_server *server = arg;
    static struct packet packet; /* large; there is one server at a time */

    while (!atomic_load(&server->stopping)) {
        struct pollfd polled[2] = {{.fd = server->udp, .events = POLLIN},
                                   {.fd = server->tcp, .events = POLLIN}};

        if (poll(polled, 2, 20) <= 0)
            continue;
        if (polled[0].revents != 0)
            serve_udp(server, &packet);
        if (polled[1].revents != 0)
            serve_tcp(server, &packet);
    }
    return NULL;
}

/* The same port for both; one that is free for UDP need not be for TCP. */
static inline void name_server_bind(struct name_server *server, struct sockaddr_in *address)
{
    socklen_t length = sizeof(*address);

    for (int tries = 0; tries < 100; tries++) {
        *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(server->tcp, (void *)address, length) == 0 &&
            getsockname(server->tcp, (void *)address, &length) == 0 &&
            bind(server->udp, (void *)address, length) == 0)
            return;
        close(server->udp);
        close(server->tcp);
    }
    fail_msg("no port is free for UDP and TCP");
}

static inline void name_server_start(struct name_server *server)
{
    struct sockaddr_in address;

    name_server_bind(server, &address);
    assert_int_equal(listen(server->tcp, 10), 0);
    (void)snprintf(server->address, sizeof(server->address), "127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, name_server_run, server), 0);
}

static inline void name_server_stop(struct name_server *server)
{
    atomic_store(&server->stopping, true);
    (void)pthread_join(server->thread, NULL);
    close(server->udp);
    close(server->tcp);
}
