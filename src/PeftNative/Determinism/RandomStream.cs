namespace PeftNative.Determinism;

/// <summary>
/// Random numbers by position: number <c>p</c> of the stream (seed, purpose, stream) is a pure function of these four,
/// so nothing has to be saved to resume exactly, and threads can share a stream. Every draw states which words of the
/// stream it uses; two kinds of draws from one stream at overlapping positions are not independent, so give each kind a
/// purpose or a stream of its own.
/// </summary>
/// <remarks>
/// The Philox key is the seed. Of the counter, words 2 and 3 are the stream (low, high), word 0 and the low half of
/// word 1 are the block number (48 bits) and the high half of word 1 is the purpose. Word <c>p</c> of the stream is
/// word <c>p % 4</c> of block <c>p / 4</c>.
/// </remarks>
/// <param name="seed">The run's seed.</param>
/// <param name="purpose">What the numbers are for.</param>
/// <param name="stream">Which of the purpose's streams; see <see cref="ForStep"/>.</param>
public readonly struct RandomStream(ulong seed, RandomPurpose purpose, ulong stream = 0)
{
    private const int BlockBits = 48;
    private const int RetryShift = 40;

    /// <summary>The stream of one step and one layer (or other index) within it.</summary>
    public static RandomStream ForStep(ulong seed, RandomPurpose purpose, uint step, uint index) =>
        new(seed, purpose, ((ulong)step << 32) | index);

    /// <summary>The four words of a block: words 4 block to 4 block + 3 of the stream.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The block number needs more than 48 bits.</exception>
    public PhiloxBlock Block(ulong block)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(block, 1UL << BlockBits);
        var word1 = ((uint)purpose << 16) | (uint)(block >> 32);
        return Philox.Block(new PhiloxBlock((uint)block, word1, (uint)stream, (uint)(stream >> 32)), seed);
    }

    /// <summary>Word <paramref name="position"/> of the stream: 32 random bits.</summary>
    public uint Bits(ulong position) => Block(position / 4)[(int)(position % 4)];

    /// <summary>Uniform in [0, 1) in steps of 2^-24, from word <paramref name="position"/>.</summary>
    public float UniformSingle(ulong position) => (Bits(position) >> 8) * (1f / (1 << 24));

    /// <summary>Uniform in [0, 1) in steps of 2^-53, from words 2 position and 2 position + 1.</summary>
    public double UniformDouble(ulong position)
    {
        var block = Block(position / 2);
        var half = (int)(position % 2) * 2;
        return ((((ulong)block[half + 1] << 32) | block[half]) >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>
    /// Standard normal by Box and Muller, from the pair of words that holds <paramref name="position"/>: the even one
    /// gives the cosine, the odd one the sine. The logarithm and the trigonometric functions are the platform's, so the
    /// last bit may differ between systems.
    /// </summary>
    public double Normal(ulong position)
    {
        var block = Block(position / 4);
        var pair = (int)(position % 4) & 2;
        return NormalOf(block[pair], block[pair + 1], (position & 1) != 0);
    }

    /// <summary>
    /// A whole number from 0 to <paramref name="count"/> - 1, each exactly equally likely, from block <paramref
    /// name="position"/> (and, with a probability below 2^-64, blocks position + k 2^40).
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The count is not positive, or the position needs more than 40 bits.
    /// </exception>
    public int Below(int count, ulong position)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(position, 1UL << RetryShift);
        // Lemire's method: scale 64 random bits by the count; reject the few low parts that would favour some results.
        var rejected = (ulong.MaxValue % (ulong)count + 1) % (ulong)count;
        for (var retry = 0UL; ; retry++)
        {
            var block = Block(position | (retry << RetryShift));
            for (var half = 0; half < 4; half += 2)
            {
                var bits = ((ulong)block[half + 1] << 32) | block[half];
                var high = Math.BigMul(bits, (ulong)count, out var low);
                if (low >= rejected) return (int)high;
            }
        }
    }

    /// <summary>
    /// Puts the values into a random order, each order equally likely (Fisher and Yates), from blocks 1 to length - 1.
    /// </summary>
    public void Shuffle(Span<int> values)
    {
        for (var last = values.Length - 1; last > 0; last--)
        {
            var other = Below(last + 1, (ulong)last);
            (values[last], values[other]) = (values[other], values[last]);
        }
    }

    /// <summary>
    /// Fills with uniform numbers in [low, high): entry i is <c>low + (high - low) UniformSingle(start + i)</c>.
    /// </summary>
    public void FillUniform(Span<float> values, float low = 0, float high = 1, ulong start = 0)
    {
        for (var i = 0; i < values.Length; i++)
            values[i] = low + (high - low) * UniformSingle(start + (ulong)i);
    }

    /// <summary>
    /// Fills with normal numbers: entry i is <c>mean + deviation Normal(start + i)</c>, computed in double precision.
    /// </summary>
    public void FillNormal(Span<float> values, double mean = 0, double deviation = 1, ulong start = 0)
    {
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)(mean + deviation * Normal(start + (ulong)i));
    }

    private static double NormalOf(uint first, uint second, bool sine)
    {
        const double scale = 1.0 / (1UL << 32);
        var radius = Math.Sqrt(-2 * Math.Log((first + 0.5) * scale));
        var angle = 2 * Math.PI * second * scale;
        return radius * (sine ? Math.Sin(angle) : Math.Cos(angle));
    }
}
