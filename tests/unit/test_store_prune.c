/* SPDX-License-Identifier: ISC */
#include "support/archive.h"

#include <sys/file.h>

static unsigned releases, objects;

static bool
try_prune(const struct store_keeping *keep)
{
	struct store_pruned pruned;
	bool ok = store_prune(archive.s, keep, &pruned, &archive.why);

	releases = 0;
	objects = pruned.objects;
	for (size_t i = 0; i < pruned.n; i++)
		releases += pruned.release[i].decision == STORE_GOES;
	free(pruned.release);
	return ok;
}

static void
prune(unsigned keep)
{
	if (!try_prune(&(struct store_keeping){ .newest = keep }))
		fail_msg("%s", archive.why.text);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

static void
test_decisions(void **state)
{
	enum { DAYS = 86400 };
	static const struct {
		const char *rule;
		struct store_keeping keep;
		uint64_t current;
		int64_t age[6]; /* of the serials 1 to 6 */
		const char *want;
	} rows[] = {
		{ "the newest stay", { .newest = 3 }, 6,
		    { 900, 900, 900, 900, 900, 900 }, "---nnn" },
		{ "the current one stays", { .newest = 1 }, 2,
		    { 900, 900, 900, 900, 900, 900 }, "-s---n" },
		{ "a recent one stays", { .newest = 1 }, 6,
		    { 119, 120, -119, -120, 900, 0 }, "r-r--n" },
		{ "what was taken back is not new",
		    { .newest = 2, .highest = 3 }, 2,
		    { 900, 900, 900, 900, 900, 900 }, "-nn---" },
		{ "the oldest of the last days stays",
		    { .newest = 1, .back_s = DAYS }, 6,
		    { 900, 800, 700, 600, 500, 0 }, "o----n" },
		{ "and the newest before them", { .newest = 1, .back_s = DAYS },
		    6, { 3 * DAYS, 2 * DAYS, 700, 600, 500, 0 }, "-oo--n" },
		{ "a wrong clock keeps nothing",
		    { .newest = 1, .back_s = DAYS }, 6,
		    { INT64_MIN, -9 * DAYS, 700, 600, 500, 0 }, "--o--n" },
		{ "nothing is served", { .newest = 2 }, 0,
		    { 900, 900, 900, 900, 900, 900 }, "----nn" },
	};
	static const char letters[] = { [STORE_GOES] = '-',
		[STORE_IS_NEW] = 'n',
		[STORE_IS_OLD] = 'o',
		[STORE_IS_SERVED] = 's',
		[STORE_IS_RECENT] = 'r' };
	struct store_release list[6] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char got[7] = "";

		for (size_t k = 0; k < 6; k++)
			list[k] = (struct store_release){ .serial = k + 1,
				.age = rows[i].age[k] };
		store_judge(list, 6, rows[i].current, &rows[i].keep);
		for (size_t k = 0; k < 6; k++)
			got[k] = letters[list[k].decision];
		if (strcmp(got, rows[i].want) != 0)
			print_message("%s: %s\n", rows[i].rule, got);
		check_row(strcmp(got, rows[i].want) == 0, rows[i].rule);
	}
}

/* Five releases, all of them old, with a file of their own and one in
 * common. */
static void
make_five(void)
{
	static char text[2], name[32];
	static const char *const words[] = { "d/own", text, "same", "s", NULL };

	for (uint64_t i = 1; i <= 5; i++) {
		snprintf(text, sizeof(text), "%d", (int)i);
		assert_true(archive_try_build(i, "m", words));
		snprintf(name, sizeof(name), "store/releases/%d", (int)i);
		archive_age_release(name, 1000);
	}
}

static void
test_newest_releases_stay(void **state)
{
	uint8_t digest[DIGEST_SIZE];

	(void)state;
	make_five();
	archive_add_object("loose", digest);
	archive_switch(5);
	prune(3);
	assert_int_equal(releases, 2);
	assert_int_equal(objects, 3);
	assert_false(tree_exists("store/releases/2"));
	assert_true(tree_exists("store/releases/3/d/own"));
	assert_false(tree_exists(archive_object_path("1")));
	assert_false(tree_exists(archive_object_path("loose")));
	assert_true(tree_exists(archive_object_path("3")));
	assert_true(tree_exists(archive_object_path("s")));
	prune(3);
	assert_int_equal(releases, 0);
	assert_int_equal(objects, 0);
	assert_true(store_prune(archive.s,
	    &(struct store_keeping){ .newest = 99 }, NULL, &archive.why));
	assert_int_equal(tree_count_entries("store/releases"), 3);
}

static void
test_current_release_stays(void **state)
{
	(void)state;
	make_five();
	archive_switch(2);
	prune(1);
	assert_int_equal(releases, 3);
	assert_true(tree_exists("store/releases/2/d/own"));
	assert_true(tree_exists("store/releases/5/d/own"));
	assert_int_equal(tree_count_entries("store/releases"), 2);
	assert_int_equal(store_current(archive.s), 2);
	prune(0);
	assert_int_equal(tree_count_entries("store/releases"), 1);
	tree_check_file("store/current/d/own", SLICE("2"));
}

/* A server may still be at it: the switch itself begins the wait. */
static void
test_recently_served_release_stays(void **state)
{
	(void)state;
	make_five();
	archive_switch(1);
	archive_switch(5);
	prune(1);
	assert_int_equal(releases, 3);
	assert_true(tree_exists("store/releases/1/d/own"));
	archive_age_release("store/releases/1", STORE_SUPERSEDED_S - 5);
	prune(1);
	assert_true(tree_exists("store/releases/1/d/own"));
	archive_age_release("store/releases/1", STORE_SUPERSEDED_S + 1);
	prune(1);
	assert_int_equal(releases, 1);
	assert_false(tree_exists("store/releases/1"));
}

enum { DAY = 86400, BACK = 30 * DAY };

/* The mirror's way: one of each age, in days, is current for a moment and
 * then superseded so long ago; -1 ends. Then the first serial that is still
 * there. */
static uint64_t
first_left_after(const int *days)
{
	static char text[16], name[32];
	static const char *const words[] = { "own", text, NULL };
	struct store_release *list;
	uint64_t n = 0, first;
	size_t count;

	for (; days[n] != -1; n++) {
		snprintf(text, sizeof(text), "%d", (int)n);
		assert_true(archive_try_build(n + 1, "m", words));
		archive_switch(n + 1);
	}
	for (uint64_t i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "store/releases/%d", (int)i);
		archive_age_release(name, (int64_t)days[i - 1] * DAY + DAY / 2);
	}
	if (!store_prune(archive.s,
		&(struct store_keeping){ .newest = 3, .back_s = BACK }, NULL,
		&archive.why))
		fail_msg("%s", archive.why.text);
	list = store_releases(archive.s, &count);
	assert_non_null(list);
	assert_true(count <= 5);
	first = list[0].serial;
	free(list);
	return first;
}

static void
test_many_new_releases_keep_an_old_one(void **state)
{
	(void)state;
	/* The last is current: its time does not matter. */
	assert_int_equal(
	    first_left_after((const int[]){ 9, 1, 1, 1, 1, 1, 0, -1 }), 1);
}

static void
test_release_served_long_ago_stays(void **state)
{
	(void)state;
	assert_int_equal(
	    first_left_after((const int[]){ 90, 31, 29, 3, 2, 1, 1, 0, -1 }),
	    2);
}

static void
test_oldest_release_goes_when_another_is_old_enough(void **state)
{
	(void)state;
	assert_int_equal(
	    first_left_after((const int[]){ 90, 60, 40, 4, 3, 2, 1, 0, -1 }),
	    3);
	/* Asked for by hand, only the newest stay. */
	prune(3);
	assert_int_equal(tree_count_entries("store/releases"), 3);
}

static void
age_all(const int *since, int day)
{
	char name[32];
	size_t n;
	struct store_release *list = store_releases(archive.s, &n);

	for (size_t i = 0; i + 1 < n; i++) {
		snprintf(name, sizeof(name), "store/releases/%d",
		    (int)list[i].serial);
		archive_age_release(
		    name, (int64_t)(day - since[list[i].serial + 1]) * DAY +
			      STORE_SUPERSEDED_S + 1);
	}
	free(list);
}

/* Published now and then, and four times in a row every week: day by day what
 * was served thirty days ago, or something before it, can be gone back to. */
static void
test_a_release_of_30_days_ago_is_kept(void **state)
{
	static char text[8];
	static const char *const words[] = { "own", text, NULL };
	static int since[300]; /* the day that a serial became current */
	struct store_release *list;
	uint64_t serial = 0;
	size_t n;

	(void)state;
	for (int day = 0; day < 100; day++) {
		for (int k = day % 7 == 3 ? 4 : day % 3 == 0; k > 0; k--) {
			snprintf(text, sizeof(text), "%d", (int)serial);
			assert_true(archive_try_build(++serial, "m", words));
			archive_switch(serial);
			since[serial] = day;
			age_all(since, day);
			assert_true(store_prune(archive.s,
			    &(struct store_keeping){
				.newest = 3, .back_s = BACK },
			    NULL, &archive.why));
		}
		list = store_releases(archive.s, &n);
		assert_in_range(n, 1, 5);
		assert_true(
		    list[0].serial == 1 || since[list[0].serial] <= day - 30);
		free(list);
	}
}

/* The state went back to serial 2, as after a theft of the key. */
static void
test_rolled_back_releases_do_not_count(void **state)
{
	struct store_keeping keep = {
		.newest = 2, .back_s = BACK, .highest = 2
	};

	(void)state;
	make_five();
	archive_switch(2);
	assert_true(try_prune(&keep));
	assert_int_equal(releases, 3);
	assert_true(tree_exists("store/releases/1"));
}

static void
test_wrong_clock_keeps_nothing_forever(void **state)
{
	(void)state;
	make_five();
	archive_switch(5);
	archive_age_release("store/releases/1", -60);
	archive_age_release("store/releases/2", -STORE_SUPERSEDED_S * 100);
	prune(1);
	assert_true(tree_exists("store/releases/1"));
	assert_false(tree_exists("store/releases/2"));
}

static void
test_nothing_is_removed_while_current_is_invalid(void **state)
{
	(void)state;
	make_five();
	tree_symlink("releases/2/", "store/current");
	assert_false(try_prune(&(struct store_keeping){ .newest = 1 }));
	assert_true(archive_failed_with("nothing is pruned"));
	assert_int_equal(tree_count_entries("store/releases"), 5);
	/* A broken link serves no release. */
	assert_int_equal(unlink(tree_path("store/current")), 0);
	tree_symlink("releases/9", "store/current");
	prune(2);
	assert_int_equal(tree_count_entries("store/releases"), 2);
}

static int
prune_as_nobody(void *arg)
{
	(void)arg;
	if (try_prune(&(struct store_keeping){ .newest = 1 }))
		return 1;
	return archive_failed_with("releases: Permission denied") ? 0 : 2;
}

static void
test_prune_without_permission(void **state)
{
	(void)state;
	make_five();
	archive_switch(5);
	assert_int_equal(chmod(tree_path("store/releases"), 0555), 0);
	assert_int_equal(tree_run_as_nobody(prune_as_nobody, NULL), 0);
	assert_int_equal(tree_count_entries("store/releases"), 5);
	assert_int_equal(chmod(tree_path("store/releases"), 0755), 0);
}

/* A server holds a lock on what it may still serve. */
static void
test_retracted_releases_go(void **state)
{
	uint64_t serial[] = { 1, 4, 5, 77 };
	size_t n = 4;
	int fd;

	(void)state;
	make_five();
	archive_switch(5);
	fd = store_release_fd(archive.s, 4);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
	assert_true(store_retract(archive.s, serial, &n, 0, &archive.why));
	/* What is served is not for us to take away. */
	assert_int_equal(n, 2);
	assert_int_equal(serial[0], 4);
	assert_int_equal(serial[1], 5);
	assert_false(tree_exists("store/releases/1"));
	assert_false(tree_exists(archive_object_path("1")));
	assert_true(tree_exists("store/releases/2"));
	assert_true(tree_exists("store/releases/4/d/own"));
	assert_int_equal(close(fd), 0);
	n = 1;
	assert_true(store_retract(archive.s, serial, &n, 0, &archive.why));
	assert_int_equal(n, 0);
	assert_false(tree_exists("store/releases/4"));
	assert_false(tree_exists(archive_object_path("4")));
	assert_true(tree_exists(archive_object_path("s")));
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

static int
retract_as_nobody(void *arg)
{
	uint64_t serial[] = { 1, 2 };
	size_t n = 2;

	(void)arg;
	if (store_retract(archive.s, serial, &n, 0, &archive.why))
		return 1;
	return n == 2 && archive_failed_with("releases: Permission denied") ? 0
									    : 2;
}

static void
test_retract_without_permission(void **state)
{
	(void)state;
	make_five();
	archive_switch(5);
	assert_int_equal(chmod(tree_path("store/releases"), 0555), 0);
	assert_int_equal(tree_run_as_nobody(retract_as_nobody, NULL), 0);
	assert_int_equal(tree_count_entries("store/releases"), 5);
	assert_int_equal(chmod(tree_path("store/releases"), 0755), 0);
}

/* A store made by 0.1 has an archive in each release. */
static void
test_archives_of_older_releases_go(void **state)
{
	(void)state;
	make_five();
	archive_switch(4);
	assert_true(tree_exists("store/releases/4/mirror/capsule.tar"));
	assert_false(tree_exists("store/releases/5/mirror/capsule.tar"));
	tree_write("store/releases/3/mirror/capsule.tar", "x");
	prune(9);
	assert_true(tree_exists("store/releases/4/mirror/capsule.tar"));
	assert_false(tree_exists("store/releases/3/mirror/capsule.tar"));
}

/* Half a list would be taken for all: a serial used twice, a release lost. */
static void
test_unreadable_releases(void **state)
{
	struct store_release *list;
	size_t n = 0;
	int fd;

	(void)state;
	archive_build(7, "a", "one");
	archive_switch(7);
	fd = archive.s->releases;
	archive.s->releases = -1;
	assert_null(store_releases(archive.s, &n));
	assert_int_not_equal(n, 0);
	assert_false(try_prune(&(struct store_keeping){ .newest = 1 }));
	archive.s->releases = fd;
	list = store_releases(archive.s, &n);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].serial, 7);
	free(list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decisions),
		archive_test(test_newest_releases_stay),
		archive_test(test_current_release_stays),
		archive_test(test_recently_served_release_stays),
		archive_test(test_many_new_releases_keep_an_old_one),
		archive_test(test_release_served_long_ago_stays),
		archive_test(
		    test_oldest_release_goes_when_another_is_old_enough),
		archive_test(test_a_release_of_30_days_ago_is_kept),
		archive_test(test_rolled_back_releases_do_not_count),
		archive_test(test_wrong_clock_keeps_nothing_forever),
		archive_test(test_nothing_is_removed_while_current_is_invalid),
		archive_test(test_prune_without_permission),
		archive_test(test_retracted_releases_go),
		archive_test(test_retract_without_permission),
		archive_test(test_archives_of_older_releases_go),
		archive_test(test_unreadable_releases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
