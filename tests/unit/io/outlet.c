/* SPDX-License-Identifier: Apache-2.0 */
#include "io/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "io/io.h"
#include "io/loop.h"
#include "test.h"

enum { LONG_TEXT = 300 * 1000 }; /* more than a pipe holds */

struct world {
    struct io *io;
    struct loop *loop;
    struct outlet *outlet;
    int reader, writer;
};

static struct world *begin(int reader, int writer)
{
    static struct world world;
    world.io = io_create(1);
    world.loop = loop_create(world.io, "test");
    world.outlet = outlet_open(world.loop, writer);
    world.reader = reader;
    world.writer = writer;
    return &world;
}

static struct world *begin_pipe(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    return begin(ends[0], ends[1]);
}

static void end(struct world *world)
{
    outlet_close(world->outlet);
    loop_destroy(world->loop);
    io_destroy(world->io);
    close(world->reader);
    close(world->writer);
}

static void print_long_text(struct world *world)
{
    for (int i = 0; i < LONG_TEXT; i++)
        putc('a' + i % 26, outlet_stream(world->outlet));
    assert_int_equal(outlet_printed(world->outlet), LONG_TEXT);
}

/* What the reader gets while the outlet sends on as a turn of the loop ends. */
static void read_long_text(struct world *world)
{
    static char got[LONG_TEXT + 1];
    size_t size = 0;
    int status = -EAGAIN;
    while (status != 0) {
        assert_int_equal(status, -EAGAIN);
        size_t unsent = outlet_unsent(world->outlet);
        while (size < LONG_TEXT - unsent) {
            ssize_t count = read(world->reader, got + size, sizeof(got) - size);
            assert_true(count > 0);
            size += (size_t)count;
        }
        loop_turn(world->loop);
        status = outlet_send(world->outlet);
    }
    while (size < LONG_TEXT) {
        ssize_t count = read(world->reader, got + size, sizeof(got) - size);
        assert_true(count > 0);
        size += (size_t)count;
    }
    for (int i = 0; i < LONG_TEXT; i++)
        assert_int_equal(got[i], 'a' + i % 26);
    assert_int_equal(size, LONG_TEXT);
}

void test_outlet__gives_a_full_pipe_the_rest_when_it_is_read(void)
{
    struct world *world = begin_pipe();
    print_long_text(world);
    assert_int_equal(outlet_send(world->outlet), -EAGAIN);
    assert_true(outlet_unsent(world->outlet) > 0);
    assert_int_equal(outlet_printed(world->outlet), 0);
    read_long_text(world);
    assert_int_equal(outlet_unsent(world->outlet), 0);
    end(world);
}

void test_outlet__begins_anew_after_everything_is_sent(void)
{
    struct world *world = begin_pipe();
    char got[16];
    fputs("longer", outlet_stream(world->outlet));
    assert_int_equal(outlet_send(world->outlet), 0);
    assert_int_equal(read(world->reader, got, sizeof(got)), 6);
    fputs("two", outlet_stream(world->outlet));
    assert_int_equal(outlet_printed(world->outlet), 3);
    assert_int_equal(outlet_send(world->outlet), 0);
    assert_int_equal(read(world->reader, got, sizeof(got)), 3);
    assert_memory_equal(got, "two", 3);
    end(world);
}

/* It is shared with other processes, who expect their writes to wait. */
void test_outlet__leaves_the_descriptor_as_it_is(void)
{
    struct world *world = begin_pipe();
    int before = fcntl(world->writer, F_GETFL);
    fputs("text", outlet_stream(world->outlet));
    assert_int_equal(outlet_send(world->outlet), 0);
    assert_int_equal(fcntl(world->writer, F_GETFL), before);
    assert_int_equal(before & O_NONBLOCK, 0);
    end(world);
}

void test_outlet__tells_that_nobody_reads(void)
{
    struct world *world = begin_pipe();
    close(world->reader);
    world->reader = -1;
    fputs("text", outlet_stream(world->outlet));
    assert_int_equal(outlet_send(world->outlet), -EPIPE);
    assert_int_equal(outlet_unsent(world->outlet), 0);
    end(world);
}

void test_outlet__gives_a_file_everything_at_once(void)
{
    char path[] = "/tmp/outlet-XXXXXX";
    int file = mkstemp(path);
    struct world *world = begin(open(path, O_RDONLY), file);
    unlink(path);
    print_long_text(world);
    assert_int_equal(outlet_send(world->outlet), 0);
    assert_int_equal(lseek(file, 0, SEEK_END), LONG_TEXT);
    end(world);
}

/* As by Ctrl-S: amid a long text, which a write that waits would not come back from. */
void test_outlet__waits_for_a_terminal_that_was_stopped(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    struct termios mode;
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    struct world *world = begin(master, open(ptsname(master), O_RDWR | O_NOCTTY));
    assert_int_equal(tcgetattr(world->writer, &mode), 0);
    cfmakeraw(&mode);
    assert_int_equal(tcsetattr(world->writer, TCSANOW, &mode), 0);
    assert_int_equal(tcflow(world->writer, TCOOFF), 0);
    print_long_text(world);
    assert_int_equal(outlet_send(world->outlet), -EAGAIN);
    assert_int_equal(outlet_unsent(world->outlet), LONG_TEXT);
    assert_int_equal(tcflow(world->writer, TCOON), 0);
    assert_int_equal(outlet_send(world->outlet), -EAGAIN); /* it holds less than that */
    read_long_text(world);
    end(world);
}
