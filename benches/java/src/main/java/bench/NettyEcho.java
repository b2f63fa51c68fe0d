package bench;

import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.util.ResourceLeakDetector;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.concurrent.CountDownLatch;

/**
 * A server that sends back what it gets, and clients that send a message of 4 KiB again and again: {@code NettyEcho
 * MESSAGES}. Prints the messages a second, after as many to warm up, and once more for each line that comes. The
 * server has one thread and the clients another: how Netty would share them among more differs from run to run. Which
 * buffers Netty takes, its properties say.
 */
public final class NettyEcho {
    private static final int CLIENTS = 8;
    private static final int SIZE = 4096;

    private NettyEcho() {}

    public static void main(String[] args) throws Exception {
        int messages = Integer.parseInt(args[0]);
        ResourceLeakDetector.setLevel(ResourceLeakDetector.Level.DISABLED);
        EventLoopGroup servers = new NioEventLoopGroup(1);
        EventLoopGroup clients = new NioEventLoopGroup(1);
        ServerBootstrap bootstrap = new ServerBootstrap().group(servers).channel(NioServerSocketChannel.class)
            .childHandler(new ChannelInitializer<Channel>() {
                @Override
                protected void initChannel(Channel channel) {
                    channel.pipeline().addLast(new Echo());
                }
            });
        InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        SocketAddress server = bootstrap.bind(any).sync().channel().localAddress();
        run(clients, server, messages);
        Rounds.run(() -> {
            long start = System.nanoTime();
            run(clients, server, messages);
            return messages * 1e9 / (System.nanoTime() - start);
        });
        System.exit(0);
    }

    private static void run(EventLoopGroup group, SocketAddress server, int messages) throws InterruptedException {
        CountDownLatch ended = new CountDownLatch(CLIENTS);
        for (int i = 0; i < CLIENTS; i++) {
            new Bootstrap().group(group).channel(NioSocketChannel.class)
                .handler(new Client(messages / CLIENTS, ended)).connect(server).sync();
        }
        ended.await();
    }

    private static final class Echo extends ChannelInboundHandlerAdapter {
        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            context.writeAndFlush(message);
        }
    }

    private static final class Client extends SimpleChannelInboundHandler<ByteBuf> {
        private final CountDownLatch ended;
        private int left;
        private int received;

        Client(int messages, CountDownLatch ended) {
            this.left = messages;
            this.ended = ended;
        }

        @Override
        public void channelActive(ChannelHandlerContext context) {
            send(context);
        }

        @Override
        protected void channelRead0(ChannelHandlerContext context, ByteBuf message) {
            received += message.readableBytes();
            if (received >= SIZE) {
                received -= SIZE;
                if (--left > 0) {
                    send(context);
                } else {
                    context.close();
                    ended.countDown();
                }
            }
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            // The messages that are left would never come.
            Failure.end(cause);
        }

        private static void send(ChannelHandlerContext context) {
            context.writeAndFlush(context.alloc().directBuffer(SIZE).writeZero(SIZE));
        }
    }
}
