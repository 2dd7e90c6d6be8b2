"""One connection to PostgreSQL by libpq itself: a process per question would cost more than what is asked."""

import ctypes
import ctypes.util

LIBPQ = ctypes.CDLL(ctypes.util.find_library("pq"))
for name, result, parameters in (("PQconnectdb", ctypes.c_void_p, [ctypes.c_char_p]), ("PQstatus", ctypes.c_int, [ctypes.c_void_p]),
                                 ("PQexec", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
                                 ("PQresultStatus", ctypes.c_int, [ctypes.c_void_p]), ("PQerrorMessage", ctypes.c_char_p, [ctypes.c_void_p]),
                                 ("PQntuples", ctypes.c_int, [ctypes.c_void_p]), ("PQnfields", ctypes.c_int, [ctypes.c_void_p]),
                                 ("PQgetvalue", ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]),
                                 ("PQclear", None, [ctypes.c_void_p]), ("PQfinish", None, [ctypes.c_void_p])):
    function = getattr(LIBPQ, name)
    function.restype, function.argtypes = result, parameters

COMMAND_OK, TUPLES_OK = 1, 2


class SqlLine:
    """Threads: one. Whatever fails ends the connection; the next question opens another."""

    def __init__(self, address):
        self.address, self.connection = address, None

    def ask(self, statement):
        """Rows of texts; OSError: no answer."""
        if self.connection is None:
            self.connection = LIBPQ.PQconnectdb(f"{self.address()} connect_timeout=2 application_name=checker".encode())
            if LIBPQ.PQstatus(self.connection) != 0:
                self.fail()
        result = LIBPQ.PQexec(self.connection, statement.encode())
        try:
            if LIBPQ.PQresultStatus(result) not in (COMMAND_OK, TUPLES_OK):
                self.fail()
            return [[LIBPQ.PQgetvalue(result, row, column).decode() for column in range(LIBPQ.PQnfields(result))]
                    for row in range(LIBPQ.PQntuples(result))]
        finally:
            LIBPQ.PQclear(result)

    def fail(self):
        text = LIBPQ.PQerrorMessage(self.connection).decode().strip()
        self.close()
        raise OSError(text)

    def close(self):
        if self.connection is not None:
            LIBPQ.PQfinish(self.connection)
            self.connection = None
