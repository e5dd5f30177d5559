/* SPDX-License-Identifier: Apache-2.0 */
#include "null_link.h"

#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "client.h"

struct link *link_create(int descriptor)
{
    struct link *link = memory_take(sizeof(*link));
    link->descriptor = descriptor;
    link->in_room = LINK_FIRST_ROOM;
    link->in = memory_take_raw(link->in_room);
    link->out = memory_take_raw(LINK_OUT_ROOM);
    return link;
}

/* Room for a few frames of the size that is coming. */
void link_compact(struct link *link)
{
    size_t left = link->in_size - link->in_used;
    size_t frame = left >= 4 ? 4 + (size_t)load_u32(link->in + link->in_used) : 0;
    if (frame * 4 > link->in_room) {
        uint8_t *larger = memory_take_raw(frame * 4);
        memcpy(larger, link->in + link->in_used, left);
        memory_give(link->in);
        link->in = larger;
        link->in_room = frame * 4;
    } else if (left > 0 && link->in_used > 0) {
        memmove(link->in, link->in + link->in_used, left);
    }
    link->in_size = left;
    link->in_used = 0;
}

/* False: the socket is full, or gone. */
static bool send_some(struct link *link, const uint8_t *data, size_t size, size_t *done, int flags)
{
    while (*done < size) {
        ssize_t sent = send(link->descriptor, data + *done, size - *done, flags | MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        *done += (size_t)sent;
    }
    return true;
}

bool link_send_all(struct link *link)
{
    if (!send_some(
            link, link->out, link->out_size, &link->out_sent, link->file.size > 0 ? MSG_MORE : 0))
        return false;
    while (link->file.size > 0) {
        off_t position = link->file.position;
        ssize_t sent =
            sendfile(link->descriptor, link->file.descriptor, &position, (size_t)link->file.size);
        if (sent <= 0)
            return false;
        link->file.position += sent;
        link->file.size -= sent;
    }
    size_t tail_sent = 0;
    if (!send_some(link, link->tail, link->tail_size, &tail_sent, 0))
        bench_fail("a connection's last bytes do not go out");
    link->out_size = link->out_sent = link->tail_size = 0;
    return true;
}
