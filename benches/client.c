/* What the fast path of `rolecall get NAME` is measured against: the same job in plain C.
 *
 * Same system calls, same checks, same bytes, and nothing else: no agent is started, and a failure is an exit code.
 */
#include <arpa/inet.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD 5 /* length word and tag */

static int socket_path(char *path, size_t room) {
    const char *own = getenv("ROLECALL_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");
    int length = -1;
    if (home == NULL || home[0] != '/')
        return 0;
    if (own != NULL && own[0] == '/')
        length = snprintf(path, room, "%s", own);
    else if (runtime != NULL && runtime[0] == '/')
        length = snprintf(path, room, "%s/rolecall/agent.sock", runtime);
    else
        length = snprintf(path, room, "%s/.local/state/rolecall/run/agent.sock", home);
    return length > 0 && (size_t)length < room;
}

static int is_private(const char *path) {
    char dir[PATH_MAX];
    struct stat meta;
    const char *slash = strrchr(path, '/');
    memcpy(dir, path, (size_t)(slash - path));
    dir[slash - path] = 0;
    return lstat(dir, &meta) == 0 && S_ISDIR(meta.st_mode) && meta.st_uid == geteuid() && (meta.st_mode & 077) == 0;
}

int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 60};
    char frame[1024], answer[16384];
    uint32_t length;

    if (argc != 3 || strcmp(argv[1], "get") != 0 || !socket_path(address.sun_path, sizeof address.sun_path))
        return 2;
    int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stream < 0 || connect(stream, (struct sockaddr *)&address, sizeof address) != 0)
        return 7;
    if (!is_private(address.sun_path) || setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        return 7;

    int written = snprintf(frame + 4, sizeof frame - 4,
                           "{\"version\":2,\"request\":{\"do\":\"get\",\"name\":\"%s\"},\"context\":{}}", argv[2]);
    if (written < 0 || (size_t)written >= sizeof frame - 4)
        return 2;
    length = htonl((uint32_t)written);
    memcpy(frame, &length, 4);
    if (write(stream, frame, 4 + (size_t)written) != 4 + written)
        return 7;

    size_t filled = 0, whole = HEAD;
    while (filled < whole) {
        ssize_t count = read(stream, answer + filled, sizeof answer - filled);
        if (count <= 0)
            return 7;
        filled += (size_t)count;
        if (filled >= HEAD) {
            memcpy(&length, answer, 4);
            whole = 4 + (size_t)ntohl(length);
            if (whole < HEAD || whole > sizeof answer)
                return 7;
        }
    }
    if (answer[4] != 'S' || write(STDOUT_FILENO, answer + HEAD, whole - HEAD) != (ssize_t)(whole - HEAD))
        return 1;
    return 0;
}
