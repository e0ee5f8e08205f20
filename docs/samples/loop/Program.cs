// A training loop of one's own: forward, backward and step are visible, nothing is hidden in a trainer.
//   dotnet run -- MODEL_FOLDER
using PeftNative.Backends;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Peft.Lora;
using PeftNative.Tokenizers;
using PeftNative.Training.Optimization;

using var backend = BackendFactory.Create();
var (model, _) = ModelLoader.Load(backend, args[0]);
using var owned = model;
using var adapter = new LoraConfig { R = 4, Alpha = 8 }.Create(model, seed: 1, trainable: true, "default");
using var optimizer = new AdamW(backend, adapter.Buffer, new AdamWOptions());
using var run = new ModelRun(model, adapter); // a run computes with the adapters it lists

var tokens = HfTokenizer.Load(args[0]).Encode("Once upon a time there was a number.").Ids;
var batch = new TokenBatch(tokens, [0, tokens.Length]); // one sequence; no padding anywhere
var targets = Targets.PerToken(labels: tokens); // -100 where nothing is learned

for (var step = 1; step <= 10; step++)
{
    optimizer.ZeroGradients();
    var loss = run.Train(batch, targets).Loss; // forward, loss, backward
    var norm = optimizer.GradientNorm();
    optimizer.Step(learningRate: 2e-3, norm); // clips by the norm, then updates
    if (step is 1 or 10) Console.WriteLine($"step {step}: loss {loss:0.00}, gradient norm {norm:0.00}");
}
