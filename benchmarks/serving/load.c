/* Asks an HTTP server over many open connections and says what came back: one thread, epoll, one request at a time on
 * each connection. Built and started by load.py, which says what the figures mean. All times are of CLOCK_MONOTONIC,
 * so they can be compared with time.monotonic() of another process on the machine.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define MILLISECOND 1000000LL
#define BUCKETS (1024 + 40 * 512)
#define MOST_VERSIONS 4096
#define SAMPLES_OF_A_KIND 4
#define MOST_GAPS 10000
#define MOST_MOMENTS 100000
#define MOST_SECONDS 100000
#define PLACE "@@@@@@@@@@"
#define PLACE_SIZE 10

enum State { CLOSED, CONNECTING, IDLE, ASKING };
enum Failure { NO_CONNECTION, UNANSWERED, CUT, LATE, STATUS, MIXED, WRONG, MALFORMED, FAILURES };
static const char *const FAILURE_NAMES[] = {"not connected", "unanswered", "cut off", "late",
                                            "status", "mixed", "wrong", "malformed"};

struct Connection {
    int fd;
    enum State state;
    int64_t start, again;
    char *out;
    size_t written;
    char *in;
    size_t filled, room;
    unsigned long long number;
    long answered;
    int watched;
};

struct Version {
    long answers;
    int64_t first, last;
};

struct Second {
    long answers, failures;
    int64_t worst;
};

struct Gap {
    int64_t start, length;
};

struct Moment {
    int64_t at;
    enum Failure kind;
};

static struct {
    const char *host, *path, *type, *accept, *body;
    int port, connections, checks_version;
    double seconds, warm_up, rate, timeout, gap;
    unsigned long long requests;
    char headers[4096];
} option = {.host = "127.0.0.1", .path = "/", .type = "application/json", .accept = "*/*", .connections = 1,
            .seconds = 1, .timeout = 30, .gap = 0};

static struct sockaddr_in address;
static char *request;
static size_t request_size, place_at;
static int has_place, poller;
static struct Connection *connections;
static struct Connection **idle;
static int idle_count;
static volatile sig_atomic_t told_to_stop;

static unsigned long long asked, counted;
static int64_t began, counting_from, next_due, last_good, worst, worst_at;
static long histogram[BUCKETS], statuses[1000], failures[FAILURES], gap_count, bytes;
static long double latency_sum;
static struct Version versions[MOST_VERSIONS];
static struct Second *seconds;
static struct Gap gaps[MOST_GAPS];
static struct Moment moments[MOST_MOMENTS];
static long moment_count;
static char *samples[FAILURES * SAMPLES_OF_A_KIND];
static int sample_count;

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static void give_up(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void *room_for(size_t size) {
    void *room = calloc(1, size);
    if (room == NULL) give_up("memory");
    return room;
}

/* Exact below 1024 us, within 0.2 % above. */
static int bucket_of(uint64_t us) {
    if (us < 1024) return (int)us;
    int shift = 63 - __builtin_clzll(us) - 9;
    int bucket = 1024 + (shift - 1) * 512 + (int)((us >> shift) - 512);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double middle_of(int bucket) {
    if (bucket < 1024) return bucket;
    int shift = (bucket - 1024) / 512 + 1;
    return ((double)((bucket - 1024) % 512 + 512) + 0.5) * (double)(1LL << shift);
}

static struct Second *second_of(int64_t now) {
    int64_t second = (now - began) / SECOND;
    return &seconds[second < MOST_SECONDS ? second : MOST_SECONDS - 1];
}

static void keep_sample(enum Failure kind, int status, const char *text, size_t size) {
    if (failures[kind] > SAMPLES_OF_A_KIND) return;
    char *sample = room_for(2048), *end = sample;
    end += sprintf(end, "{\"kind\": \"%s\", \"status\": %d, \"at\": %.6f, \"text\": \"", FAILURE_NAMES[kind], status,
                   (double)now_ns() / SECOND);
    for (size_t i = 0; i < size && i < 300; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '"' || byte == '\\') end += sprintf(end, "\\%c", byte);
        else if (byte < 32 || byte > 126) end += sprintf(end, "\\u%04x", byte);
        else *end++ = (char)byte;
    }
    strcpy(end, "\"}");
    samples[sample_count++] = sample;
}

static void failed(enum Failure kind, int status, const char *text, size_t size) {
    int64_t now = now_ns();
    if (now < counting_from) return;
    failures[kind]++;
    second_of(now)->failures++;
    /* Whoever finds nobody tries again at once, which would leave no room for the others. */
    if (kind != NO_CONNECTION && moment_count < MOST_MOMENTS) moments[moment_count++] = (struct Moment){now, kind};
    keep_sample(kind, status, text, size);
}

static void watch(struct Connection *connection, int wanted) {
    if (connection->watched == wanted) return;
    struct epoll_event event = {.events = (uint32_t)wanted, .data.ptr = connection};
    int how = connection->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(poller, how, connection->fd, &event) < 0) give_up("epoll_ctl");
    connection->watched = wanted;
}

static void drop(struct Connection *connection) {
    if (connection->fd >= 0) close(connection->fd);
    connection->fd = -1;
    connection->watched = 0;
    connection->state = CLOSED;
}

static void be_idle(struct Connection *connection) {
    connection->state = IDLE;
    connection->filled = 0;
    idle[idle_count++] = connection;
}

static void leave_idle(struct Connection *connection) {
    for (int i = 0; i < idle_count; i++)
        if (idle[i] == connection) {
            idle[i] = idle[--idle_count];
            return;
        }
}

static void open_connection(struct Connection *connection) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) give_up("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connection->fd = fd;
    connection->watched = 0;
    connection->answered = 0;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) {
        failed(NO_CONNECTION, 0, strerror(errno), strlen(strerror(errno)));
        drop(connection);
        connection->again = now_ns() + 5 * MILLISECOND;
        return;
    }
    connection->state = CONNECTING;
    connection->start = now_ns();
    watch(connection, EPOLLOUT);
}

static void again(struct Connection *connection) {
    drop(connection);
    connection->again = now_ns() + MILLISECOND / 10;
}

static void lose(struct Connection *connection, const char *why) {
    enum State state = connection->state;
    if (state == ASKING) failed(connection->filled ? CUT : UNANSWERED, 0, why, strlen(why));
    if (state == CONNECTING) failed(NO_CONNECTION, 0, why, strlen(why));
    if (state == IDLE) leave_idle(connection);
    again(connection);
    if (state == CONNECTING) connection->again = now_ns() + 5 * MILLISECOND;
}

static void write_on(struct Connection *connection) {
    while (connection->written < request_size) {
        ssize_t wrote = send(connection->fd, connection->out + connection->written, request_size - connection->written,
                             MSG_NOSIGNAL);
        if (wrote < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            watch(connection, EPOLLIN | EPOLLOUT);
            return;
        }
        if (wrote < 0) {
            /* What the server said before it closed may still be there to read. */
            connection->written = request_size;
            break;
        }
        connection->written += (size_t)wrote;
    }
    watch(connection, EPOLLIN);
}

static void ask(struct Connection *connection, int64_t start) {
    connection->state = ASKING;
    connection->start = start;
    connection->written = 0;
    connection->filled = 0;
    connection->number = asked++;
    if (has_place) {
        char digits[PLACE_SIZE + 1];
        snprintf(digits, sizeof digits, "%010llu", connection->number % 10000000000ULL);
        memcpy(connection->out + place_at, digits, PLACE_SIZE);
    }
    write_on(connection);
}

static const char *header_value(const char *head, const char *end, const char *name) {
    size_t size = strlen(name);
    for (const char *line = head; line < end;) {
        const char *next = memmem(line, (size_t)(end - line), "\r\n", 2);
        if (next == NULL) next = end;
        if ((size_t)(next - line) > size && strncasecmp(line, name, size) == 0 && line[size] == ':') {
            const char *value = line + size + 1;
            while (value < next && *value == ' ') value++;
            return value;
        }
        line = next + 2;
    }
    return NULL;
}

/* The bytes of a chunked body with its frame; -1 while it is not whole. */
static ssize_t chunked_size(const char *body, const char *end) {
    const char *at = body;
    for (;;) {
        const char *line = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (line == NULL) return -1;
        unsigned long size = strtoul(at, NULL, 16);
        at = line + 2 + size + 2;
        if (at > end) return -1;
        if (size == 0) return at - body;
    }
}

static void note_good(int64_t now) {
    if (option.gap > 0 && last_good && now - last_good > (int64_t)(option.gap * MILLISECOND) && gap_count < MOST_GAPS)
        gaps[gap_count++] = (struct Gap){last_good, now - last_good};
    last_good = now;
}

/* Whether the model's own number and that of its code, "7:7:" in the body, are those of the header. */
static int is_of_version(long version, const char *body, size_t size) {
    char wanted[64];
    size_t length = (size_t)snprintf(wanted, sizeof wanted, "%ld:%ld:", version, version);
    const char *found = version < 0 ? NULL : memmem(body, size, wanted, length);
    return found != NULL && (found == body || found[-1] < '0' || found[-1] > '9');
}

static enum Failure judged(struct Connection *connection, int status, long version, const char *body, size_t size) {
    if (status != 200) return STATUS;
    if (option.checks_version && !is_of_version(version, body, size)) return MIXED;
    if (has_place && memmem(body, size, connection->out + place_at, PLACE_SIZE) == NULL) return WRONG;
    return FAILURES;
}

static void count(struct Connection *connection, int status, long version, const char *body, size_t size) {
    int64_t now = now_ns(), took = now - connection->start;
    if (now < counting_from) return;
    counted++;
    bytes += (long)size;
    statuses[status >= 0 && status < 1000 ? status : 0]++;
    if (version >= 0 && version < MOST_VERSIONS) {
        struct Version *seen = &versions[version];
        if (seen->answers++ == 0) seen->first = now;
        seen->last = now;
    }
    enum Failure failure = judged(connection, status, version, body, size);
    if (failure != FAILURES) {
        failed(failure, status, body, size);
        return;
    }
    note_good(now);
    struct Second *second = second_of(now);
    second->answers++;
    if (took > second->worst) second->worst = took;
    histogram[bucket_of((uint64_t)(took / 1000))]++;
    latency_sum += (long double)took;
    if (took > worst) worst = took, worst_at = now;
}

/* Returns whether a whole answer was there. */
static int read_answer(struct Connection *connection, int is_end) {
    char *in = connection->in, *end = in + connection->filled;
    char *head_end = memmem(in, connection->filled, "\r\n\r\n", 4);
    if (head_end == NULL) return 0;
    char *body = head_end + 4;
    int status = connection->filled > 12 ? atoi(in + 9) : 0;
    const char *length = header_value(in, head_end, "content-length");
    const char *coding = header_value(in, head_end, "transfer-encoding");
    ssize_t size = length != NULL ? atol(length) : coding != NULL ? chunked_size(body, end) : is_end ? end - body : -1;
    if (size < 0 || end - body < size) return 0;
    const char *named = header_value(in, head_end, "x-everfit-version");
    count(connection, status, named == NULL ? -1 : atol(named), body, (size_t)size);
    if (end - body > size) failed(MALFORMED, status, body + size, (size_t)(end - body - size));
    connection->answered++;
    const char *closing = header_value(in, head_end, "connection");
    if ((closing != NULL && strncasecmp(closing, "close", 5) == 0) || is_end || end - body > size) again(connection);
    else be_idle(connection);
    return 1;
}

static void read_on(struct Connection *connection) {
    for (;;) {
        if (connection->room - connection->filled < 4096) {
            connection->room = connection->room * 2 + 16384;
            connection->in = realloc(connection->in, connection->room);
            if (connection->in == NULL) give_up("memory");
        }
        ssize_t got = recv(connection->fd, connection->in + connection->filled, connection->room - connection->filled, 0);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (got <= 0) {
            const char *why = got == 0 ? "closed" : strerror(errno);
            if (connection->state == ASKING && connection->filled && read_answer(connection, 1)) return;
            lose(connection, why);
            return;
        }
        if (connection->state == IDLE) {
            failed(MALFORMED, 0, connection->in, (size_t)got);
            lose(connection, "spoke unasked");
            return;
        }
        connection->filled += (size_t)got;
        if (read_answer(connection, 0)) return;
    }
}

static void happened(struct Connection *connection, uint32_t events) {
    if (connection->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            lose(connection, strerror(error));
            return;
        }
        watch(connection, EPOLLIN);
        be_idle(connection);
        return;
    }
    if (events & EPOLLOUT) write_on(connection);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_on(connection);
}

static void ask_what_is_due(int64_t now, int is_over) {
    while (idle_count > 0 && !is_over) {
        if (option.requests && asked >= option.requests) return;
        if (option.rate > 0) {
            if (next_due > now) return;
            ask(idle[--idle_count], next_due);
            next_due += (int64_t)(SECOND / option.rate);
        } else ask(idle[--idle_count], now_ns());
    }
}

static void look_after(int64_t now, int is_over) {
    for (int i = 0; i < option.connections; i++) {
        struct Connection *connection = &connections[i];
        if (connection->state == CLOSED && !is_over && connection->again <= now) open_connection(connection);
        if (connection->state == ASKING && now - connection->start > (int64_t)(option.timeout * SECOND)) {
            failed(LATE, 0, "", 0);
            again(connection);
        }
    }
}

static int is_quiet(void) {
    for (int i = 0; i < option.connections; i++)
        if (connections[i].state == ASKING) return 0;
    return 1;
}

static int is_any_closed(void) {
    for (int i = 0; i < option.connections; i++)
        if (connections[i].state == CLOSED) return 1;
    return 0;
}

static void run(void) {
    struct epoll_event events[256];
    int64_t looked = 0, end = began + (int64_t)((option.seconds + option.warm_up) * SECOND);
    for (;;) {
        int64_t now = now_ns();
        int is_over = told_to_stop || now >= end || (option.requests && asked >= option.requests);
        if (is_over && (is_quiet() || now > end + (int64_t)(option.timeout * SECOND))) return;
        int any_closed = is_any_closed();
        if (any_closed || now - looked > 100 * MILLISECOND) look_after(now, is_over), looked = now;
        ask_what_is_due(now, is_over);
        int64_t wait = any_closed && !is_over ? MILLISECOND / 10 : 50 * MILLISECOND;
        if (option.rate > 0 && idle_count > 0 && !is_over && next_due - now < wait) wait = next_due - now;
        struct timespec limit = {wait > 0 ? wait / SECOND : 0, wait > 0 ? wait % SECOND : 0};
        long found = syscall(SYS_epoll_pwait2, poller, events, 256, &limit, NULL, 0);
        if (found < 0 && errno != EINTR) give_up("epoll_pwait2");
        for (long i = 0; i < found; i++) happened(events[i].data.ptr, events[i].events);
    }
}

static double quantile(double share) {
    long total = 0, seen = 0;
    for (int i = 0; i < BUCKETS; i++) total += histogram[i];
    for (int i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (total && (double)seen >= share * (double)total) return middle_of(i) / 1000;
    }
    return 0;
}

static void tell_times(double took) {
    long good = 0;
    for (int i = 0; i < BUCKETS; i++) good += histogram[i];
    printf("{\"seconds\": %.3f, \"requests\": %llu, \"rps\": %.1f, \"bytes\": %ld, ", took, counted,
           (double)good / took, bytes);
    printf("\"mean_ms\": %.4f, \"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, ",
           good ? (double)(latency_sum / good) / MILLISECOND : 0.0, quantile(0.5), quantile(0.9), quantile(0.99),
           quantile(0.999));
    printf("\"max_ms\": %.3f, \"max_at\": %.6f", (double)worst / MILLISECOND, (double)worst_at / SECOND);
}

static void tell_failures(void) {
    long all = 0;
    for (int i = 0; i < FAILURES; i++) all += failures[i];
    printf(", \"failed\": %ld, \"failures\": {", all);
    const char *comma = "";
    for (int i = 0; i < FAILURES; i++)
        if (failures[i]) printf("%s\"%s\": %ld", comma, FAILURE_NAMES[i], failures[i]), comma = ", ";
    printf("}, \"samples\": [");
    for (int i = 0; i < sample_count; i++) printf("%s%s", i ? ", " : "", samples[i]);
    printf("], \"moments\": [");
    for (long i = 0; i < moment_count; i++)
        printf("%s[%.6f, \"%s\"]", i ? ", " : "", (double)moments[i].at / SECOND, FAILURE_NAMES[moments[i].kind]);
    printf("], \"statuses\": {");
    comma = "";
    for (int i = 0; i < 1000; i++)
        if (statuses[i]) printf("%s\"%d\": %ld", comma, i, statuses[i]), comma = ", ";
    printf("}");
}

static void tell_rest(double took) {
    printf(", \"versions\": {");
    const char *comma = "";
    for (int i = 0; i < MOST_VERSIONS; i++)
        if (versions[i].answers) {
            printf("%s\"%d\": {\"answers\": %ld, \"first\": %.6f, \"last\": %.6f}", comma, i, versions[i].answers,
                   (double)versions[i].first / SECOND, (double)versions[i].last / SECOND);
            comma = ", ";
        }
    printf("}, \"began\": %.6f, \"gaps\": [", (double)began / SECOND);
    for (long i = 0; i < gap_count; i++)
        printf("%s[%.6f, %.3f]", i ? ", " : "", (double)gaps[i].start / SECOND, (double)gaps[i].length / MILLISECOND);
    printf("], \"each_second\": [");
    for (int i = 0; i < MOST_SECONDS && i <= (int)(took + option.warm_up); i++)
        printf("%s[%ld, %ld, %.3f]", i ? ", " : "", seconds[i].answers, seconds[i].failures,
               (double)seconds[i].worst / MILLISECOND);
    printf("]}\n");
}

static char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) give_up(path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *content = room_for(*size + 1);
    if (fread(content, 1, *size, file) != *size) give_up(path);
    fclose(file);
    return content;
}

static void write_request(void) {
    size_t size = 0;
    char *body = option.body == NULL ? NULL : read_file(option.body, &size);
    request = room_for(size + 8192);
    int head = snprintf(request, 8192,
                        "%s %s HTTP/1.1\r\nHost: %s:%d\r\nAccept: %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                        body == NULL ? "GET" : "POST", option.path, option.host, option.port, option.accept,
                        option.headers, option.type, size);
    if (size) memcpy(request + head, body, size);
    request_size = (size_t)head + size;
    char *place = memmem(request, request_size, PLACE, PLACE_SIZE);
    has_place = place != NULL;
    place_at = has_place ? (size_t)(place - request) : 0;
    free(body);
}

static void read_options(int count_of, char **words) {
    static const struct option known[] = {
        {"host", 1, 0, 'h'},    {"port", 1, 0, 'p'},    {"path", 1, 0, 'u'},     {"type", 1, 0, 't'},
        {"accept", 1, 0, 'a'},  {"body", 1, 0, 'b'},    {"connections", 1, 0, 'c'}, {"seconds", 1, 0, 's'},
        {"warm-up", 1, 0, 'w'}, {"rate", 1, 0, 'r'},    {"timeout", 1, 0, 'o'},  {"gap", 1, 0, 'g'},
        {"requests", 1, 0, 'n'}, {"header", 1, 0, 'H'}, {"check-version", 0, 0, 'v'}, {0, 0, 0, 0}};
    for (int found; (found = getopt_long(count_of, words, "", known, NULL)) != -1;) switch (found) {
        case 'h': option.host = optarg; break;
        case 'p': option.port = atoi(optarg); break;
        case 'u': option.path = optarg; break;
        case 't': option.type = optarg; break;
        case 'a': option.accept = optarg; break;
        case 'b': option.body = optarg; break;
        case 'c': option.connections = atoi(optarg); break;
        case 's': option.seconds = atof(optarg); break;
        case 'w': option.warm_up = atof(optarg); break;
        case 'r': option.rate = atof(optarg); break;
        case 'o': option.timeout = atof(optarg); break;
        case 'g': option.gap = atof(optarg); break;
        case 'n': option.requests = strtoull(optarg, NULL, 10); break;
        case 'v': option.checks_version = 1; break;
        case 'H':
            if (strlen(option.headers) + strlen(optarg) + 3 > sizeof option.headers) give_up("headers");
            strcat(strcat(option.headers, optarg), "\r\n");
            break;
        default: exit(2);
    }
}

static void stop(int number) {
    (void)number;
    told_to_stop = 1;
}

int main(int count_of, char **words) {
    read_options(count_of, words);
    write_request();
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)option.port);
    inet_pton(AF_INET, option.host, &address.sin_addr);
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    poller = epoll_create1(EPOLL_CLOEXEC);
    seconds = room_for(MOST_SECONDS * sizeof *seconds);
    connections = room_for((size_t)option.connections * sizeof *connections);
    idle = room_for((size_t)option.connections * sizeof *idle);
    for (int i = 0; i < option.connections; i++) {
        connections[i] = (struct Connection){.fd = -1, .out = room_for(request_size)};
        memcpy(connections[i].out, request, request_size);
    }
    began = next_due = now_ns();
    counting_from = began + (int64_t)(option.warm_up * SECOND);
    run();
    double took = (double)(now_ns() - counting_from) / SECOND;
    tell_times(took);
    tell_failures();
    tell_rest(took);
    return 0;
}
