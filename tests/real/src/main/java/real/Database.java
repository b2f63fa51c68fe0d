package real;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.Random;
import org.h2.tools.Server;

/**
 * A database (H2) over TCP, with transactions and blobs of 1 MiB: {@code Database TRANSACTIONS BLOBS
 * [CLIENTS]}. Each client has rows of its own; the checksums are of what is in the tables at the end.
 */
public final class Database {
    private static final int BLOB = 1 << 20;

    private Database() {}

    public static void main(String[] args) throws Exception {
        int transactions = Integer.parseInt(args[0]);
        int blobs = Integer.parseInt(args[1]);
        int clients = args.length > 2 ? Integer.parseInt(args[2]) : 4;
        Server server = Server.createTcpServer("-tcpPort", "0", "-ifNotExists").start();
        String url = "jdbc:h2:tcp://127.0.0.1:" + server.getPort() + "/mem:real;DB_CLOSE_DELAY=-1";
        try (Connection connection = DriverManager.getConnection(url); Statement statement = connection.createStatement()) {
            statement.execute("create table account (client int, id int, balance bigint, primary key (client, id))");
            statement.execute("create table picture (client int, id int, content blob, primary key (client, id))");
            Work.clients(clients, number -> client(url, number, transactions, blobs));
            MessageDigest digest = Work.digest();
            long rows = 0;
            try (ResultSet all = statement.executeQuery("select client, id, balance from account order by client, id")) {
                for (; all.next(); rows++) {
                    digest.update((all.getInt(1) + " " + all.getInt(2) + " " + all.getLong(3) + "\n").getBytes("US-ASCII"));
                }
            }
            System.out.println("accounts: " + rows + ", " + Work.hex(digest));
            digest = Work.digest();
            long bytes = 0;
            byte[] buffer = new byte[100_000];
            try (ResultSet all = statement.executeQuery("select content from picture order by client, id")) {
                while (all.next()) {
                    try (InputStream content = all.getBinaryStream(1)) {
                        for (int n; (n = content.read(buffer)) > 0; bytes += n) {
                            digest.update(buffer, 0, n);
                        }
                    }
                }
            }
            System.out.println("pictures: " + bytes + " bytes, " + Work.hex(digest));
            statement.execute("shutdown");
        }
        server.stop();
        System.out.println("database: ok");
    }

    /** Moves money between ten accounts; every fifth transaction is rolled back. */
    private static String client(String url, int number, int transactions, int blobs) throws Exception {
        Random random = new Random(number);
        MessageDigest digest = Work.digest();
        try (Connection connection = DriverManager.getConnection(url)) {
            connection.setAutoCommit(false);
            try (PreparedStatement insert = connection.prepareStatement("insert into account values (?, ?, 1000)")) {
                for (int i = 0; i < 10; i++) {
                    insert.setInt(1, number);
                    insert.setInt(2, i);
                    insert.addBatch();
                }
                insert.executeBatch();
            }
            connection.commit();
            String text = "update account set balance = balance + ? where client = ? and id = ?";
            try (PreparedStatement update = connection.prepareStatement(text)) {
                for (int i = 0; i < transactions; i++) {
                    int amount = random.nextInt(100);
                    for (int sign = -1; sign <= 1; sign += 2) {
                        update.setLong(1, (long) sign * amount);
                        update.setInt(2, number);
                        update.setInt(3, random.nextInt(10));
                        update.executeUpdate();
                    }
                    if (i % 5 == 4) {
                        connection.rollback();
                    } else {
                        connection.commit();
                    }
                }
            }
            try (PreparedStatement insert = connection.prepareStatement("insert into picture values (?, ?, ?)")) {
                for (int i = 0; i < blobs; i++) {
                    byte[] content = Work.bytes(random, BLOB);
                    digest.update(content);
                    insert.setInt(1, number);
                    insert.setInt(2, i);
                    insert.setBinaryStream(3, new ByteArrayInputStream(content), BLOB);
                    insert.executeUpdate();
                    connection.commit();
                }
            }
            long sum;
            try (Statement statement = connection.createStatement();
                 ResultSet result = statement.executeQuery("select sum(balance) from account where client = " + number)) {
                result.next();
                sum = result.getLong(1);
            }
            return transactions + " transactions, sum " + sum + ", pictures " + Work.hex(digest);
        }
    }
}
