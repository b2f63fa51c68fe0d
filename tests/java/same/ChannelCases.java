package same;
final class ChannelCases { private ChannelCases() {} static void add(Cases cases) {} }
