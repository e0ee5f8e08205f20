using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Ilgpu.Tests;

/// <summary>Addresses, transfers and what the backend refuses.</summary>
public sealed class MemoryTests(Emulation emulation) : IClassFixture<Emulation>
{
    private readonly IlgpuBackend backend = emulation.Backend;

    [Fact]
    public void What_is_uploaded_to_the_middle_of_a_block_is_downloaded_again()
    {
        using var memory = backend.Allocate(1000, "test");
        var tensor = new Tensor(memory.Pointer + 12, DType.Float32, 1, 3, 3);
        byte[] sent = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        backend.Upload(sent, tensor);
        var received = new byte[12];
        backend.Download(tensor, received);
        Assert.Equal(sent, received);
    }

    [Fact]
    public void Memory_that_was_freed_or_never_given_is_an_error()
    {
        var memory = backend.Allocate(64, "test");
        var tensor = new Tensor(memory.Pointer, DType.Float32, 1, 4, 4);
        memory.Dispose();
        using var next = backend.Allocate(64, "test");
        Assert.Throws<ArgumentException>(() => backend.Fill(tensor, 0));
        Assert.Throws<ArgumentException>(() => backend.Fill(tensor with { Pointer = next.Pointer + 64 }, 0));
    }

    [Fact]
    public void A_copy_of_another_length_is_an_error()
    {
        using var memory = backend.Allocate(64, "test");
        Assert.Throws<ArgumentException>(() => backend.Upload(new byte[8],
            new Tensor(memory.Pointer, DType.Float32, 1, 4, 4)));
    }

    [Fact]
    public void Other_types_than_fp32_are_refused()
    {
        using var memory = backend.Allocate(64, "test");
        var half = new Tensor(memory.Pointer, DType.BFloat16, 2, 2, 2);
        Assert.Throws<ArgumentException>(() => backend.AddScaled(half, 1, half));
    }

    [Fact]
    public void Memory_that_is_not_there_is_a_resource_error()
    {
        var error = Assert.Throws<ResourceException>(() => backend.Allocate(1L << 60, "activations"));
        Assert.Contains("activations", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_that_is_not_there_is_a_usage_error() =>
        Assert.Throws<UsageException>(() => IlgpuBackends.CreateOnDevice(200));
}
