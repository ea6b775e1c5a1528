/* SPDX-License-Identifier: ISC */
/* A server that follows a script, for tests of a client. */
#ifndef TESTS_SUPPORT_SCRIPT_H
#define TESTS_SUPPORT_SCRIPT_H

#include "client/exchange.h"
#include "tls/tls_conn.h"

/* A row: what the server does, and below what the client must report. */
struct script {
	const char *rule;
	struct slice bytes; /* sent once a whole line has come */
	unsigned repeat;    /* that often */
	unsigned pause_ms;  /* before each */
	bool deaf;          /* never even shakes hands */
	bool bare;          /* ends without close_notify */
	bool reset;         /* ends with a reset */
	unsigned timeout_s;
	enum fetch_result want;
	int status;
	const char *meta;
	size_t body;
	const char *why;
};

/* Accepts one connection, follows s and exits: for a child process. */
void script_serve(
    int listener, const struct tls_server *tls, const struct script *s);

#endif
