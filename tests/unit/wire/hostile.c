/* SPDX-License-Identifier: Apache-2.0 */
/* Every golden message, cut at every length, with bits flipped, and with every place where a length
 * could stand changed to a lie. The input ends at an unreadable page, so reading beyond it ends the
 * test, with a sanitizer or without; what is taken is compared with what arrived. */
#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/prng.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/schema.h"

/* The arrays of structs that a few bytes stand for are larger than those bytes, but never by more
 * than this. */
enum { MAX_GROWTH = 64, MAX_START = 1024, ROOM_SIZE = 1 << 16 };

struct room {
    uint8_t *end; /* of the readable part */
    struct arena arena;
    struct prng prng;
    long decoded, refused;
    double growth; /* the largest seen */
};

static void room_open(struct room *room)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *memory =
        mmap(NULL, ROOM_SIZE + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(mprotect(memory + ROOM_SIZE, page, PROT_NONE), 0);
    *room = (struct room){ .end = memory + ROOM_SIZE };
    arena_init(&room->arena);
    prng_init(&room->prng, 20);
}

static void room_close(struct room *room)
{
    munmap(room->end - ROOM_SIZE, ROOM_SIZE + (size_t)sysconf(_SC_PAGESIZE));
    arena_deinit(&room->arena);
}

/* The input lies at the end of the room. What decodes must encode, since the broker may do that
 * with it. */
static void feed(
    struct room *room, const struct message_schema *schema, int16_t version, size_t size)
{
    struct bytes input = { room->end - size, size };
    arena_reset(&room->arena);
    void *message = arena_take(&room->arena, schema->shape->size);
    size_t before = room->arena.taken, used;
    bool ok = message_decode(schema, version, input, &room->arena, message, &used);
    size_t taken = room->arena.taken - before;
    assert_true(used <= size);
    assert_true(taken <= MAX_GROWTH * size + MAX_START);
    if (size > 0 && taken > MAX_START && (double)(taken - MAX_START) / (double)size > room->growth)
        room->growth = (double)(taken - MAX_START) / (double)size;
    if (!ok) {
        room->refused++;
        return;
    }
    room->decoded++;
    struct message_extent extent = message_measure(schema, version, message);
    uint8_t *out = arena_take(&room->arena, extent.wire_size);
    assert_int_equal(
        message_encode(schema, version, message, out, extent.wire_size, NULL), extent.wire_size);
}

static void lie(struct room *room, const struct message_schema *schema, int16_t version,
    const uint8_t *wire, size_t size)
{
    static const struct bytes lies[] = {
        { (const uint8_t *)"\xff\xff\xff\xff\x0f", 5 },
        { (const uint8_t *)"\xff\xff\xff\xff\x07", 5 },
        { (const uint8_t *)"\xc0\x84\x3d", 3 },
        { (const uint8_t *)"\x7f\xff\xff\xff", 4 },
        { (const uint8_t *)"\x00\x0f\x42\x40", 4 },
        { (const uint8_t *)"\x80\x00\x00\x00", 4 },
        { (const uint8_t *)"\x7f\xff", 2 },
        { (const uint8_t *)"\x7f", 1 },
        { (const uint8_t *)"\x00", 1 },
    };
    uint8_t *input = room->end - size;
    for (size_t at = 0; at < size; at++) {
        for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
            size_t length = lies[i].size < size - at ? lies[i].size : size - at;
            memcpy(input + at, lies[i].data, length);
            feed(room, schema, version, size);
            memcpy(input + at, wire + at, length);
        }
    }
}

static void attack(struct room *room, const struct message_schema *schema, int16_t version,
    const uint8_t *wire, size_t size)
{
    for (size_t cut = 0; cut <= size; cut++) {
        memcpy(room->end - cut, wire, cut);
        feed(room, schema, version, cut);
    }
    uint8_t *input = room->end - size;
    for (size_t at = 0; at < size; at++) {
        for (int i = 0; i < 2; i++) {
            input[at] = wire[at] ^ (uint8_t)(1 << prng_below(&room->prng, 8));
            feed(room, schema, version, size);
        }
        input[at] = wire[at];
    }
    lie(room, schema, version, wire, size);
}

static void attack_line(struct room *room, const struct message_schema *first,
    const struct message_schema *second, const char *second_role, char *line)
{
    char *rest = line, *role = strsep(&rest, "\t"), *version = strsep(&rest, "\t"),
         *filling = strsep(&rest, "\t");
    char *hex = strsep(&rest, "\t");
    assert_non_null(filling);
    size_t size = strlen(hex) / 2;
    assert_true(size < ROOM_SIZE);
    uint8_t *wire = malloc(size + 1);
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        wire[i] = (uint8_t)byte;
    }
    attack(
        room, strcmp(role, second_role) == 0 ? second : first, (int16_t)atoi(version), wire, size);
    free(wire);
}

static void attack_file(struct room *room, const char *folder, const char *name,
    const struct message_schema *first, const struct message_schema *second,
    const char *second_role)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s/%s", GOLDEN_DIR, folder, name);
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    char *text = NULL;
    size_t capacity = 0;
    while (getline(&text, &capacity, stream) > 0)
        attack_line(room, first, second, second_role, text);
    free(text);
    fclose(stream);
}

void test_hostile__requests_and_responses_are_never_overread(void)
{
    struct room room;
    room_open(&room);
    for (int32_t i = 0; i < api_schema_count; i++)
        attack_file(&room, "apis", api_schemas[i].name, api_schemas[i].request,
            api_schemas[i].response, "response");
    print_message(
        "%ld decoded, %ld refused, largest growth %.1f\n", room.decoded, room.refused, room.growth);
    assert_true(room.refused > 100000);
    room_close(&room);
}

void test_hostile__stored_records_are_never_overread(void)
{
    struct room room;
    room_open(&room);
    for (int32_t i = 0; i < record_schema_count; i++)
        attack_file(&room, "records", record_schemas[i].name, record_schemas[i].value,
            record_schemas[i].key, "key");
    print_message(
        "%ld decoded, %ld refused, largest growth %.1f\n", room.decoded, room.refused, room.growth);
    assert_true(room.refused > 10000);
    room_close(&room);
}
