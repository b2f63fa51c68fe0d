package real;

import fi.iki.elonen.NanoHTTPD;
import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.Socket;
import java.net.SocketException;
import java.net.URL;
import java.security.MessageDigest;
import java.util.Random;

/**
 * An embedded HTTP server (NanoHTTPD) and clients (HttpURLConnection), both over java.net sockets:
 * {@code SocketHttp REQUESTS [CLIENTS]}.
 */
public final class SocketHttp extends NanoHTTPD {
    private SocketHttp() {
        super("127.0.0.1", 0);
    }

    @Override
    public Response serve(IHTTPSession session) {
        try {
            byte[] body = new byte[Integer.parseInt(session.getHeaders().get("content-length"))];
            new DataInputStream(session.getInputStream()).readFully(body);
            for (int i = 0; i < body.length; i++) {
                body[i] = Work.reply(body[i]);
            }
            InputStream reply = new ByteArrayInputStream(body);
            return newFixedLengthResponse(Response.Status.OK, "application/octet-stream", reply, body.length);
        } catch (IOException failure) {
            return newFixedLengthResponse(Response.Status.INTERNAL_ERROR, MIME_PLAINTEXT, failure.toString());
        }
    }

    @Override
    protected ClientHandler createClientHandler(Socket accepted, InputStream in) {
        try {
            // Head and body of a response are two writes: else the second waits 40 ms for the client's system.
            accepted.setTcpNoDelay(true);
        } catch (SocketException closed) {
            // Its handler will see that, too.
        }
        return super.createClientHandler(accepted, in);
    }

    public static void main(String[] args) throws Exception {
        int requests = Integer.parseInt(args[0]);
        int clients = args.length > 1 ? Integer.parseInt(args[1]) : 4;
        SocketHttp server = new SocketHttp();
        // A timeout, so that reads with and without one are in it: HttpURLConnection has none.
        server.start(60_000, true);
        Work.clients(clients, number -> client(server.getListeningPort(), number, requests));
        server.stop();
        System.out.println("sockets: ok");
    }

    private static String client(int port, int number, int requests) throws Exception {
        Random random = new Random(number);
        MessageDigest digest = Work.digest();
        long total = 0;
        for (int i = 0; i < requests; i++) {
            byte[] body = Work.bytes(random, Work.size(random));
            HttpURLConnection connection =
                (HttpURLConnection) new URL("http://127.0.0.1:" + port + "/" + number + "/" + i).openConnection();
            connection.setDoOutput(true);
            connection.setFixedLengthStreamingMode(body.length);
            try (OutputStream out = connection.getOutputStream()) {
                out.write(body);
            }
            int status = connection.getResponseCode();
            byte[] reply = new byte[body.length];
            try (DataInputStream in = new DataInputStream(connection.getInputStream())) {
                in.readFully(reply);
                if (status != 200 || in.read() != -1) {
                    throw new IOException("status " + status);
                }
            }
            for (int j = 0; j < reply.length; j++) {
                if (reply[j] != Work.reply(body[j])) {
                    throw new IOException("wrong byte at " + j + " of request " + i);
                }
            }
            digest.update(reply);
            total += reply.length;
        }
        return requests + " responses, " + total + " bytes, " + Work.hex(digest);
    }
}
