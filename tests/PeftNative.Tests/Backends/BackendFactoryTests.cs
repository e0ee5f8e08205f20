using PeftNative.Backends;
using PeftNative.Backends.Reference;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Backends;

/// <summary>
/// Which backend a program gets. Backends that tests register are never chosen by "auto", for others run beside them.
/// </summary>
public sealed class BackendFactoryTests
{
    [Fact]
    public void A_registered_backend_can_be_created_by_its_name()
    {
        BackendOptions? given = null;
        BackendFactory.Register(Provider("test-created") with
        {
            Create = options =>
            {
                given = options;
                return ReferenceBackend.Create(options.Type);
            },
        });
        using var backend = BackendFactory.Create("test-created", DType.BFloat16, threads: 3, device: 1);
        Assert.Equal(DType.BFloat16, backend.ComputeType);
        Assert.Equal(new BackendOptions { Type = DType.BFloat16, Threads = 3, Device = 1 }, given);
    }

    [Fact]
    public void Registering_a_name_again_replaces_the_first()
    {
        BackendFactory.Register(Provider("test-twice") with { WhyNot = () => "It is the first." });
        BackendFactory.Register(Provider("test-twice"));
        Assert.Single(BackendFactory.Names, "test-twice");
        BackendFactory.Create("test-twice").Dispose();
    }

    [Fact]
    public void A_backend_that_does_not_work_says_why()
    {
        BackendFactory.Register(Provider("test-absent") with { WhyNot = () => "There is no such device." });
        var error = Assert.Throws<UsageException>(() => BackendFactory.Create("test-absent"));
        Assert.Contains("There is no such device.", error.Message, StringComparison.Ordinal);
        Assert.Contains("reference", error.Remedy, StringComparison.Ordinal);
        var status = BackendFactory.Survey().Single(s => s.Name == "test-absent");
        Assert.Equal(new BackendStatus("test-absent", false, false, "There is no such device.", null), status);
    }

    [Fact]
    public void A_type_the_backend_does_not_compute_in_is_an_error_that_names_those_it_does()
    {
        BackendFactory.Register(Provider("test-types"));
        var error = Assert.Throws<UsageException>(() => BackendFactory.Create("test-types", DType.Float64));
        Assert.Contains("fp32 or bf16", error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void Auto_takes_the_first_that_computes_in_the_type()
    {
        using var backend = BackendFactory.Create(type: DType.Float64);
        Assert.Equal(DType.Float64, backend.ComputeType);
        Assert.Throws<UsageException>(() => BackendFactory.Create(type: DType.Int32));
    }

    [Fact]
    public void The_survey_names_one_choice_and_why_the_others_were_not_taken()
    {
        BackendFactory.Register(Provider("test-named"));
        var survey = BackendFactory.Survey();
        Assert.Equal(BackendFactory.Preferred, Assert.Single(survey, s => s.IsChosen).Name);
        Assert.All(survey, s => Assert.Equal(s.IsAvailable && !s.IsChosen, s.WhyNotChosen is not null));
        Assert.Contains("only when it is named", survey.Single(s => s.Name == "test-named").WhyNotChosen,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Backends_may_be_registered_from_several_threads()
    {
        Parallel.For(0, 64, i => BackendFactory.Register(Provider($"test-thread-{i % 16}")));
        Assert.Equal(16, BackendFactory.Names.Count(n => n.StartsWith("test-thread-", StringComparison.Ordinal)));
    }

    private static BackendProvider Provider(string name) => new(name, BackendOrder.OnlyByName,
        [DType.Float32, DType.BFloat16], () => null, options => ReferenceBackend.Create(options.Type));
}
