/* SPDX-License-Identifier: ISC */
/* The words of a survey's page. Depends on survey_look, clock, log. */
#ifndef ARCHIVE_SURVEY_WRITE_H
#define ARCHIVE_SURVEY_WRITE_H

#include "archive/survey_look.h"

struct survey_writing {
	const struct survey *survey;
	int64_t now;
	uint64_t highest; /* serial that anybody has */
	int64_t highest_created;
	struct look *look;
	struct buf *out;
};

void survey_put(struct survey_writing *w, const char *text);

/* What a stranger said, as part of a line: never the end of it. */
void survey_put_safe(struct survey_writing *w, const char *text);
void survey_put_moment(struct survey_writing *w, int64_t moment);

/* "3 hours", "1 day". */
void survey_put_age(struct survey_writing *w, int64_t seconds);

/* Begins a line that says what is wrong with the look, whose level rises. */
void survey_begin_fault(struct survey_writing *w, enum look_level level);

/* All of such a line: words of ours, then a stranger's, or why. */
void survey_fault(struct survey_writing *w, enum look_level level,
    const char *text, const char *rest);

/* The level of a delay; LOOK_WELL: a short one. */
enum look_level survey_delay_level(int64_t seconds);

#endif
