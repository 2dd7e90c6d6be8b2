#pragma once

/*
 * tunnelled - what is left of a request whose connections have become a tunnel: the peer counts it until the
 * tunnel ends, and then comes its line in the access log, with the bytes and the time of the tunnel.
 *
 * Threads: the loop's.
 */

struct access_line;
struct exchange_tunnel_sum;
struct peer;
struct request;
struct tunnelled;

/* peer: the try's, taken; NULL: it has none. */
struct tunnelled *tunnelled_new(struct request *request, struct peer *peer);
/* The line as it stands at the end of the request, whose texts are copied. */
void tunnelled_hold(struct tunnelled *tunnelled, const struct access_line *line);
/* Of struct exchange_tunnel: after the end of the request. arg: it is freed. */
void tunnelled_end(void *arg, const struct exchange_tunnel_sum *sum);
