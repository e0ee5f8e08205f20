using PeftNative.Backends;
using PeftNative.Backends.NativeCpu;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Inference;
using PeftNative.Models;
using PeftNative.Ops;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using PeftNative.Tests.Peft;
using Xunit;

namespace PeftNative.Tests.Inference;

/// <summary>Many threads over one model, and models that are disposed while they are used.</summary>
public sealed class SharedModelTests
{
    private const int Threads = 4;
    private static readonly GenerationOptions Ten = new() { MaxTokens = 10, IgnoreEndOfSequence = true };
    private static readonly string[] Texts = ["one two", "three", "one two three four", "five six"];

    private static IBackend Open(string name)
    {
        if (name == "cpu" && !NativeCpuBackend.IsAvailable(out var reason)) Assert.Skip(reason);
        return BackendFactory.Create(name, threads: name == "cpu" ? 2 : 0);
    }

    /// <summary>Runs the work on several threads at once; returns what each made.</summary>
    private static T[] AtOnce<T>(Func<int, T> work)
    {
        using var together = new Barrier(Threads);
        var tasks = Enumerable.Range(0, Threads).Select(i => Task.Factory.StartNew(() =>
        {
            together.SignalAndWait(TestContext.Current.CancellationToken);
            return work(i);
        }, TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        return [.. tasks.Select(t => t.GetAwaiter().GetResult())];
    }

    [Theory]
    [InlineData("reference", "llama", ModelTask.CausalLM)]
    [InlineData("cpu", "llama", ModelTask.CausalLM)]
    [InlineData("cpu", "t5", ModelTask.SequenceToSequence)]
    public void Continuations_of_several_threads_are_those_of_one(string name, string family, ModelTask task)
    {
        using var backend = Open(name);
        using var model = TinyModels.Create(backend, family, task);
        using var prefix = Variants.All["prefix"].Create(model, seed: 5, trainable: false, "prefix");
        string[] Requests(int thread)
        {
            using var generator = thread % 2 == 0 ? new Generator(model) : new Generator(model, prefix);
            return [.. Enumerable.Range(0, 12).Select(i =>
                string.Join(' ', generator.Generate([1, (thread + i) % 17, 9, i], Ten)))];
        }
        string[][] alone = [.. Enumerable.Range(0, Threads).Select(Requests)];
        Assert.NotEqual(alone[0], alone[1]);
        Assert.Equal(alone, AtOnce(Requests));
    }

    [Theory]
    [InlineData("reference")]
    [InlineData("cpu")]
    public void One_classifier_and_one_embedder_serve_several_threads_of_two_models_on_one_backend(string name)
    {
        using var backend = Open(name);
        using var scoring = TinyModels.Create(backend, "bert", ModelTask.SequenceClassification,
            ProblemType.SingleLabel);
        using var embedding = TinyModels.Create(backend, "distilbert", ModelTask.SequenceClassification,
            ProblemType.SingleLabel);
        var words = new ToyTokenizer(ToyTokenizer.Manner.Bert, ends: false);
        foreach (var text in Texts) words.Encode(text);
        using var classifier = new Classifier(scoring);
        using var embedder = new TextEmbedder(embedding, words);
        float[][] Requests(int thread) => [.. Enumerable.Range(0, 12).SelectMany(i => (thread + i) % 2 == 0
            ? embedder.Embed([Texts[(thread + i) % 4], Texts[i % 4]])
            : classifier.Score(Batch.Of(
                [new Example { Ids = [1, i, thread], TokenTypes = [0, 0, 0], Origin = new RecordOrigin("", 0) }])))];
        float[][][] alone = [.. Enumerable.Range(0, Threads).Select(Requests)];
        Assert.Equal(alone, AtOnce(Requests));
    }

    [Theory]
    [InlineData("generators")]
    [InlineData("adapter")]
    [InlineData("model")]
    [InlineData("backend")]
    public void What_is_disposed_while_it_is_used_ends_in_an_error_and_never_in_a_crash(string what)
    {
        for (var round = 0; round < 10; round++)
        {
            var backend = Open("cpu");
            var model = TinyModels.Create(backend, "llama", ModelTask.CausalLM);
            var adapter = Variants.All["lora"].Create(model, seed: 5, trainable: false, "lora");
            Generator[] generators = [.. Enumerable.Range(0, Threads).Select(_ => new Generator(model, adapter))];
            var begun = 0;
            var ends = AtOnce<Type?>(thread =>
            {
                try
                {
                    if (thread == 0) Dispose();
                    else
                        while (generators[thread].Generate([1, 2, 3], Ten).Count > 0) Interlocked.Increment(ref begun);
                    return null;
                }
                catch (Exception e)
                {
                    return e.GetType();
                }
            });
            Assert.Equal([null, .. Enumerable.Repeat(typeof(ObjectDisposedException), Threads - 1)], ends);
            foreach (var generator in generators) generator.Dispose();
            adapter.Dispose();
            model.Dispose();
            backend.Dispose();

            void Dispose()
            {
                SpinWait.SpinUntil(() => Volatile.Read(ref begun) > round, TimeSpan.FromSeconds(20));
                if (what == "generators") Array.ForEach(generators, g => g.Dispose());
                else (what switch { "adapter" => adapter, "model" => model, _ => (IDisposable)backend }).Dispose();
            }
        }
    }

    [Fact]
    public void Use_after_disposal_says_what_was_disposed()
    {
        using var backend = Open("cpu");
        var model = TinyModels.Create(backend, "bert", ModelTask.TokenClassification);
        var words = new ToyTokenizer(ToyTokenizer.Manner.Bert);
        using var embedder = new TextEmbedder(model, words);
        using var classifier = new Classifier(model);
        var gone = new Classifier(model);
        gone.Dispose();
        Assert.Equal(typeof(Classifier).FullName,
            Assert.Throws<ObjectDisposedException>(() => gone.Tag(["one"], words, 8)).ObjectName);
        Assert.NotEmpty(classifier.Tag(["one"], words, 8));
        model.Dispose();
        foreach (var use in (Action[])
            [() => classifier.Tag(["one"], words, 8), () => embedder.Embed(["one"]), () => _ = new Classifier(model),
                () => classifier.Adapters = []])
            Assert.Equal(typeof(TransformerModel).FullName, Assert.Throws<ObjectDisposedException>(use).ObjectName);
    }

    [Fact]
    public void A_stream_that_was_cut_off_ends_and_the_generator_may_not_be_used_twice_at_once()
    {
        using var backend = Open("reference");
        using var model = TinyModels.Create(backend, "llama", ModelTask.CausalLM);
        var generator = new Generator(model);
        using (var stream = generator.Stream([1, 2], Ten).GetEnumerator())
        {
            Assert.True(stream.MoveNext());
            Assert.Throws<InvalidOperationException>(() => generator.Generate([1], Ten));
            generator.Dispose();
            Assert.Throws<ObjectDisposedException>(() => stream.MoveNext());
        }
        Assert.Throws<ObjectDisposedException>(() => generator.Generate([1], Ten));
    }
}
