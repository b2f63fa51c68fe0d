package real;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.util.ResourceLeakDetector;
import io.netty.util.internal.PlatformDependent;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/**
 * A Netty HTTP server, and clients that post bodies over kept connections: {@code NettyHttp REQUESTS
 * [CLIENTS]}. Which buffers Netty takes its own properties say; what it took is in the output.
 */
public final class NettyHttp {
    private NettyHttp() {}

    public static void main(String[] args) throws Exception {
        int requests = Integer.parseInt(args[0]);
        int clients = args.length > 1 ? Integer.parseInt(args[1]) : 4;
        // It wraps one buffer of 128, chosen at random: the output would not be the same each time.
        ResourceLeakDetector.setLevel(ResourceLeakDetector.Level.DISABLED);
        EventLoopGroup group = new NioEventLoopGroup(2);
        ServerBootstrap bootstrap = new ServerBootstrap().group(group).channel(NioServerSocketChannel.class)
            .childHandler(new ChannelInitializer<Channel>() {
                @Override
                protected void initChannel(Channel channel) {
                    channel.pipeline().addLast(new HttpServerCodec(), new HttpObjectAggregator(1 << 20), new Handler());
                }
            });
        Channel server = bootstrap.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)).sync().channel();
        ByteBuf sample = server.alloc().buffer(1000);
        System.out.println("buffers: " + sample.getClass().getSimpleName() + ", direct " + sample.isDirect()
            + ", without cleaner " + PlatformDependent.useDirectBufferNoCleaner());
        sample.release();
        Work.clients(clients, number -> client(server.localAddress(), number, requests));
        server.close().sync();
        group.shutdownGracefully(0, 1, TimeUnit.SECONDS).sync();
        System.out.println("netty: ok");
    }

    private static final class Handler extends SimpleChannelInboundHandler<FullHttpRequest> {
        @Override
        protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) {
            ByteBuf body = request.content();
            int length = body.readableBytes();
            ByteBuf reply = context.alloc().buffer(length);
            for (int i = 0; i < length; i++) {
                reply.writeByte(Work.reply(body.getByte(body.readerIndex() + i)));
            }
            FullHttpResponse response =
                new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK, reply);
            response.headers().set(HttpHeaderNames.CONTENT_LENGTH, length);
            context.writeAndFlush(response);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            // Seen in the output, and the client's connection ends.
            cause.printStackTrace();
            context.close();
        }
    }

    private static String client(SocketAddress server, int number, int requests) throws Exception {
        Random random = new Random(number);
        MessageDigest digest = Work.digest();
        long total = 0;
        try (SocketChannel channel = SocketChannel.open(server)) {
            ByteBuffer input = ByteBuffer.allocateDirect(32 << 10);
            input.flip();
            for (int i = 0; i < requests; i++) {
                byte[] body = Work.bytes(random, Work.size(random));
                String head = "POST /" + number + "/" + i + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                    + body.length + "\r\n\r\n";
                ByteBuffer[] message = {
                    ByteBuffer.wrap(head.getBytes(StandardCharsets.US_ASCII)), ByteBuffer.wrap(body)
                };
                while (message[1].hasRemaining()) {
                    channel.write(message);
                }
                String status = line(channel, input);
                int length = -1;
                for (String header; !(header = line(channel, input)).isEmpty();) {
                    if (header.toLowerCase().startsWith("content-length:")) {
                        length = Integer.parseInt(header.substring(15).trim());
                    }
                }
                if (!status.equals("HTTP/1.1 200 OK") || length != body.length) {
                    throw new IOException(status + ", " + length + " bytes of " + body.length);
                }
                for (int j = 0; j < length; j++) {
                    byte b = next(channel, input);
                    if (b != Work.reply(body[j])) {
                        throw new IOException("wrong byte at " + j + " of request " + i);
                    }
                    digest.update(b);
                }
                total += length;
            }
        }
        return requests + " responses, " + total + " bytes, " + Work.hex(digest);
    }

    private static byte next(SocketChannel channel, ByteBuffer input) throws IOException {
        while (!input.hasRemaining()) {
            input.clear();
            if (channel.read(input) < 0) {
                throw new EOFException();
            }
            input.flip();
        }
        return input.get();
    }

    private static String line(SocketChannel channel, ByteBuffer input) throws IOException {
        StringBuilder line = new StringBuilder();
        for (byte b; (b = next(channel, input)) != '\n';) {
            if (b != '\r') {
                line.append((char) b);
            }
        }
        return line.toString();
    }
}
