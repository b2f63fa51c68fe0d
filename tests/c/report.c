/* Reports: of what is there without a JVM, in each format, to a file and to stderr. */
#include <offheap.h>

#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static char file[] = "/tmp/offheap-report-XXXXXX";
static char content[1 << 16];

static const char *read_file(void) {
    FILE *in = fopen(file, "r");
    CHECK(0, in == NULL);
    size_t length = in == NULL ? 0 : fread(content, 1, sizeof content - 1, in);
    content[length] = '\0';
    if (in != NULL)
        fclose(in);
    return content;
}

/* The report in that format, as the file has it. */
static const char *report_as(const char *format) {
    CHECK(0, offheap_report(file, format));
    return read_file();
}

#define CHECK_HAS(part, text) CHECK(1, strstr(text, part) != NULL)

static void each_format_tells_a_direct_block_of_its_size(void) {
    void *block = offheap_direct_allocate(123457, false);
    CHECK(0, offheap_set_max_memory(7654321));
    CHECK_HAS("C caller", report_as(NULL));
    CHECK_HAS("123457", report_as("text"));
    CHECK_HAS("limit: 7654321 bytes", report_as("text"));
    CHECK_HAS("\"live_bytes\": 123457", report_as("json"));
    CHECK_HAS("\noffheap_live_bytes 123457\n", report_as("prometheus"));
    CHECK_HAS("\noffheap_limit_bytes 7654321\n", report_as("prometheus"));
    CHECK_HAS("\noffheap_family_live_bytes{family=\"C caller\"} 123457\n", report_as("prometheus"));
    CHECK(0, strstr(report_as("prometheus"), "jvm_") != NULL);
    /* Sites are stacks of Java. */
    CHECK(0, (long long)strlen(report_as("collapsed")));
    CHECK(0, offheap_direct_free(block));
    CHECK_HAS("\noffheap_live_bytes 0\n", report_as("prometheus"));
    CHECK(0, strstr(report_as("prometheus"), "C caller") != NULL);
}

static void what_can_not_be_is_an_errno_value_and_changes_nothing(void) {
    CHECK(0, offheap_report(file, "collapsed"));
    CHECK(EINVAL, offheap_report(file, "xml"));
    CHECK(EINVAL, offheap_report(file, ""));
    CHECK(EINVAL, offheap_report(file, "\xff"));
    CHECK(EINVAL, offheap_report(NULL, "TEXT"));
    CHECK(ENOENT, offheap_report("", NULL));
    CHECK(ENOENT, offheap_report("/absent/report", "text"));
    CHECK(0, access(file, R_OK));
}

static void without_a_file_it_goes_to_stderr(void) {
    CHECK(0, freopen(file, "w", stderr) == NULL);
    CHECK(0, offheap_report(NULL, NULL));
    CHECK_HAS("Memory below the heap", read_file());
}

int main(void) {
    int descriptor = mkstemp(file);
    CHECK(0, descriptor < 0);
    close(descriptor);
    each_format_tells_a_direct_block_of_its_size();
    what_can_not_be_is_an_errno_value_and_changes_nothing();
    without_a_file_it_goes_to_stderr();
    unlink(file);
    return report();
}
